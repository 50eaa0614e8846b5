"""Aggregates: many rows to one. Of no rows at all each gives NULL, if its note says nothing else.

Moments of higher order are Welford's, whose error grows with mean squared over variance, and so does what is stated of them.
"""

from __future__ import annotations

from mainstem.plan.functions.entry import Function, Merge, entry

ROWS = (("x", "double", (1.5, 4.0, None, 2.0)), ("y", "double", (1.0, 3.0, 2.0, 2.0)), ("n", "int64", (1, 2, 2, 5)),
        ("s", "string", ("a", "b", "a", None)), ("ok", "boolean", (True, False, True, None)))
"""The rows of the examples, in order of arrival: a name, a type, a value for each row."""

SUM_DIGITS = "1e-12 of the sum of |x| up to 4,500 rows of a group, beyond them 2.3e-16 times their number"
AVG_DIGITS = "as sum, of the mean of |x|"
VAR_DIGITS = "1e-11 of the mean of x²"
STD_DIGITS = "the root of: 1e-11 of the mean of x²"
PAIR_DIGITS = "1e-11, where no column varies less than a millionth of its mean"
_X, _XY, _ANY = "(double) -> double", "(double, double) -> double", "(double) -> double; (string) -> string; (timestamp) -> timestamp"


def aggregate(names: str, arguments: str, calls: str, example: str, gives: str, note: str = "", *, ordered: bool = False,
              same: bool = False, merge: Merge | None = None, digits: str = "") -> list[Function]:
    """An aggregate; `same`: the aggregate of the parts' answers is that of all."""
    merge = Merge((f"{names.split()[0]}(x)",), f"{names.split()[0]}(a)") if same else merge
    return entry(names, arguments, calls, example, gives, note, null="skips", kind="aggregate", ordered=ordered, merge=merge,
                 digits=digits)


AGGREGATE = [
    *aggregate("count", "* or value", "count(*) -> int64; (string) -> int64; count(DISTINCT double) -> int64", "count(x)", "3",
               "0 of no rows", merge=Merge(("count(x)",), "sum(a)")),
    *aggregate("count_if countif", "condition", "(boolean) -> int64", "count_if(ok)", "2", "0 of no rows",
               merge=Merge(("count_if(x)",), "sum(a)")),
    *aggregate("sum", "number", "(double) -> double; (int64) -> int64; (int32) -> int64; (decimal(10,2)) -> decimal(38,2)", "sum(n)",
               "10", "int64 stays int64: an overflow stops", same=True, digits=SUM_DIGITS),
    *aggregate("avg mean", "number", f"{_X}; (int64) -> double; (decimal(10,2)) -> double", "avg(x)", "2.5",
               merge=Merge(("sum(x)", "count(x)"), "sum(a) / sum(b)"), digits=AVG_DIGITS),
    *aggregate("min", "value", _ANY, "min(x)", "1.5", "NaN is the largest", same=True),
    *aggregate("max", "value", _ANY, "max(x)", "4.0", "NaN is the largest", same=True),
    *aggregate("median", "number", f"{_X}; (int64) -> double; (decimal(10,2)) -> decimal(10,2)", "median(x)", "2.0", "interpolated"),
    *aggregate("quantile_cont", "number, share", "(double, 0.9) -> double; (double, [0.1, 0.9]) -> list<double>; (int64, 0.5) -> double",
               "quantile_cont(x, 0.75)", "3.0", "interpolated; several shares give a list"),
    *aggregate("quantile_disc quantile", "value, share", "(double, 0.9) -> double; (string, 0.5) -> string; (int64, 0.5) -> int64",
               "quantile_disc(x, 0.5)", "2.0", "one of the values"),
    *aggregate("mad", "number", _X, "mad(x)", "0.5", "median absolute deviation"),
    *aggregate("stddev stddev_samp", "number", _X, "round(stddev(n), 6)", "1.732051", "sample: NULL of fewer than two",
               digits=STD_DIGITS),
    *aggregate("stddev_pop", "number", _X, "round(stddev_pop(n), 6)", "1.5", digits=STD_DIGITS),
    *aggregate("variance var_samp", "number", _X, "round(variance(n), 6)", "3.0", "sample: NULL of fewer than two", digits=VAR_DIGITS),
    *aggregate("var_pop", "number", _X, "round(var_pop(n), 6)", "2.25", digits=VAR_DIGITS),
    *aggregate("sem", "number", _X, "round(sem(n), 6)", "0.75", "standard error of the mean, of the population's deviation", digits=STD_DIGITS),
    *aggregate("covar_samp", "y, x", _XY, "round(covar_samp(y, n), 6)", "0.333333", "NULL of fewer than two", digits=PAIR_DIGITS),
    *aggregate("covar_pop", "y, x", _XY, "round(covar_pop(y, n), 6)", "0.25", digits=PAIR_DIGITS),
    *aggregate("corr", "y, x", _XY, "round(corr(x, y), 6)", "0.944911", "NaN where one does not vary",
               digits=PAIR_DIGITS),
    *aggregate("regr_slope", "y, x", _XY, "round(regr_slope(x, y), 6)", "1.25", digits=PAIR_DIGITS),
    *aggregate("regr_intercept", "y, x", _XY, "round(regr_intercept(y, n), 6)", "1.722222", digits=PAIR_DIGITS),
    *aggregate("regr_r2", "y, x", _XY, "round(regr_r2(x, y), 6)", "0.892857", digits=PAIR_DIGITS),
    *aggregate("regr_count", "y, x", "(double, double) -> uint32", "regr_count(x, y)", "3", "pairs without NULL; 0 of no rows"),
    *aggregate("skewness", "number", _X, "round(skewness(n), 6)", "1.539601", "sample: NULL of fewer than three", digits=PAIR_DIGITS),
    *aggregate("kurtosis", "number", _X, "round(kurtosis(n), 6)", "2.888889", "sample: NULL of fewer than four", digits=PAIR_DIGITS),
    *aggregate("kurtosis_pop", "number", _X, "round(kurtosis_pop(n), 6)", "-0.814815", digits=PAIR_DIGITS),
    *aggregate("entropy", "value", "(string) -> double; (double) -> double", "round(entropy(s), 6)", "0.918296",
               "in bits; 0 of no rows", digits="1e-12"),
    *aggregate("product", "number", _X, "product(n)", "20.0", same=True, digits="1e-16 for each row, of the product"),
    *aggregate("geomean", "number", _X, "round(geomean(n), 6)", "2.114743", "of numbers above 0", digits="1e-12 of the mean of |ln x|"),
    *aggregate("bool_and", "condition", "(boolean) -> boolean", "bool_and(ok)", "false", same=True),
    *aggregate("bool_or", "condition", "(boolean) -> boolean", "bool_or(ok)", "true", same=True),
    *aggregate("bit_and", "integer", "(int64) -> int64; (int32) -> int32", "bit_and(n)", "0", same=True),
    *aggregate("bit_or", "integer", "(int64) -> int64; (int32) -> int32", "bit_or(n)", "7", same=True),
    *aggregate("bit_xor", "integer", "(int64) -> int64; (int32) -> int32", "bit_xor(n)", "4", same=True),
    *aggregate("arg_max argmax max_by", "value, by", "(string, double) -> string; (double, timestamp) -> double", "arg_max(s, y)", "b",
               "of equals the first to arrive; rows where one is NULL are left out", ordered=True),
    *aggregate("arg_min argmin min_by", "value, by", "(string, double) -> string; (double, timestamp) -> double", "arg_min(s, y)", "a",
               "of equals the first to arrive; rows where one is NULL are left out", ordered=True),
    *aggregate("first", "value [ORDER BY ...]", "(double) -> double; (string) -> string", "first(x)", "1.5",
               "in order of arrival; NULL counts", ordered=True),
    *aggregate("last", "value [ORDER BY ...]", "(double) -> double; (string) -> string", "last(s)", "NULL",
               "in order of arrival; NULL counts", ordered=True),
    *aggregate("any_value", "value", "(double) -> double; (string) -> string", "any_value(s)", "a",
               "the first to arrive that is not NULL", ordered=True),
    *aggregate("mode", "value", "(double) -> double; (string) -> string", "mode(n)", "2", "of equals the first to arrive", ordered=True),
    *aggregate("list array_agg", "value [ORDER BY ...]", "(double) -> list<double>; (string ORDER BY double DESC) -> list<string>",
               "list(n)", "[1, 2, 2, 5]", "in order of arrival; NULL counts", ordered=True),
    *aggregate("string_agg group_concat listagg", "text, separator [ORDER BY ...]", "(string, ',') -> string", "string_agg(s, ',')",
               "a,b,a", "in order of arrival", ordered=True),
]
