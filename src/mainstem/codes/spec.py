"""The error codes of reading the pipeline file and the project file."""

from __future__ import annotations

from mainstem.codes.page import Code

PAGES = {
    # ---- the file, its keys and its values ---------------------------------------------------------------------------
    "spec.no_file": Code(
        "there is no such file",
        "A pipeline or project file was named that does not exist or cannot be opened.",
        "Check the name against the files that the message lists, or make a project with `mainstem init`."),
    "spec.many_files": Code(
        "several pipeline files",
        "A folder was given and more than one pipeline file lies in it, so it is not clear which one is meant.",
        "Name the file: `mainstem run FILE`."),
    "spec.problems": Code(
        "the pipeline file has problems",
        "The file was read whole and something in it is wrong; nothing runs before it is mended.",
        "Go through the list that `mainstem check` prints: every entry has a place and a remedy."),
    "spec.encoding": Code(
        "the file is not UTF-8 text",
        "YAML files are read as UTF-8 (a byte order mark is allowed); this one has bytes or control characters that are "
        "not text.",
        "Save the file as UTF-8 in your editor."),
    "spec.yaml": Code(
        "the file is not valid YAML",
        "The YAML structure breaks off at the place named: an indent, a bracket, a quote or a colon is not where it can "
        "be.",
        "Look at the line and the one above it. Texts with special signs belong in quotes or in a `|` block."),
    "spec.tab": Code(
        "a tab in the indentation",
        "YAML does not allow tabs in front of a line: editors show them with different widths.",
        "Replace the tab by spaces."),
    "spec.empty": Code(
        "the file is empty",
        "There is nothing in the file but comments or blank lines.",
        "Start from `mainstem init`, or write `version: 1` and `pipeline: NAME`."),
    "spec.documents": Code(
        "several documents in one file",
        "A line `---` starts a second YAML document; a file holds one pipeline.",
        "Remove the line, or put the second part into a file of its own."),
    "spec.not_a_mapping": Code(
        "the file is not a mapping",
        "The top of the file must be keys with values, beginning with `version: 1`.",
        "Write `key: value` lines at the top."),
    "spec.tag": Code(
        "a YAML tag",
        "A value that begins with `!` is a YAML tag; tags can make a parser build objects, so they are refused.",
        "If the `!` belongs to the text, put the value in quotes."),
    "spec.alias": Code(
        "a YAML alias that cannot be followed",
        "`*name` repeats what `&name` marked earlier: the mark is missing, contains itself, or the whole grows beyond all "
        "measure.",
        "Define the anchor above its first use; if the `*` belongs to the text, put the value in quotes or in a `|` "
        "block."),
    "spec.duplicate_key": Code(
        "the same key twice",
        "A key stands twice in one mapping. YAML parsers would silently keep one of the two.",
        "Remove or rename one; both lines are named."),
    "spec.bad_key": Code(
        "a key that is not a word",
        "Keys of the file are words; this one is a list, a mapping or empty.",
        "Write the key as a plain word, in quotes if need be."),
    "spec.comma": Code(
        "a comma cut a value inside { } or [ ]",
        "Inside braces and brackets of YAML a comma ends the value, also in the middle of SQL.",
        "Put the value in quotes, or write it in block style: one `key: value` per line, long SQL after `|`."),
    "spec.comment": Code(
        "a comment swallowed a part of a value",
        "A space followed by `#` starts a comment in a value without quotes; what stands left of it is not complete.",
        "Put the value in quotes, or write it in block style after `|`."),
    "spec.colon": Code(
        "a colon made a mapping out of a value",
        "A colon followed by a space separates key and value, also in the middle of SQL or text without quotes.",
        "Put the value in quotes, or write it in block style after `|`."),
    "spec.quote": Code(
        "a value goes on after its closing quote",
        "A value that begins with a quote ends at the closing one; YAML does not know what to do with the rest.",
        "Write the value in block style after `|`, or put all of it in quotes of the other kind."),
    "spec.sign": Code(
        "a value begins with a sign that YAML reads itself",
        "Signs like `*`, `&`, `!`, `%`, `@`, `|`, `>` and the backtick mean something to YAML at the start of a value.",
        "Put the value in quotes, or write it in block style after `|`."),
    "spec.braces": Code(
        "braces or brackets inside { } or [ ]",
        "Inside braces and brackets of YAML a further one begins a new collection, also in `${env:NAME}` or `a[1]`.",
        "Put the value in quotes, or write it in block style."),
    "spec.unknown_key": Code(
        "an unknown key",
        "The key is not one that may stand here. Unknown keys are refused because a typing error would otherwise be "
        "silent.",
        "Take the suggestion, or one of the keys listed. Keys of your own begin with `x-`."),
    "spec.unknown_kind": Code(
        "no plug of this kind",
        "No installed connector, format or step has this name.",
        "Take the suggestion or look at `mainstem catalog`; a kind of another package needs that package installed."),
    "spec.broken_plug": Code(
        "a plug cannot be loaded",
        "A connector, format or step is registered, but importing it failed.",
        "Install what the message names as missing, usually an extra like `mainstem[kafka]`."),
    "spec.missing_key": Code(
        "a key is missing",
        "Something that has no default was not said.",
        "Add the key."),
    "spec.value": Code(
        "a value that cannot be right",
        "The value has another type or lies outside of what this key takes.",
        "Write it as the message says; `mainstem catalog` describes every option."),
    "spec.version": Code(
        "unknown version of the language",
        "The file says which version of the pipeline language it is written in; this mainstem reads version 1.",
        "Write `version: 1`, or install the mainstem that knows the version."),
    "spec.name": Code(
        "a name that cannot be used",
        "Sources, tables, steps and outputs are named in lower case letters, digits and underscores, beginning with a "
        "letter.",
        "Take the suggested name."),
    "spec.reserved_name": Code(
        "a reserved name",
        "The name is a reserved word of SQL, or one that mainstem or the Delta format uses itself.",
        "Take the suggested name; for a column say `path: OLD_NAME` so that it still finds its field."),
    "spec.name_clash": Code(
        "two things of one name",
        "Sources, tables and steps share one space of names, because SQL refers to all of them; columns that differ only "
        "in case clash.",
        "Rename one of the two; both places are named."),
    "spec.no_connector": Code(
        "no connector",
        "A source, table or output names the place it reads from or writes to with one key, like `files:` or `delta:`.",
        "Add one of the keys listed."),
    "spec.many_connectors": Code(
        "more than one connector or step key",
        "Each source, table and output has exactly one place, each step does exactly one thing.",
        "Split it in two."),
    "spec.no_step": Code(
        "no step key",
        "A step says what it does with one key, like `check:` or `window:`.",
        "Add one of the keys listed."),
    "spec.format": Code(
        "a format that does not fit",
        "A source or table must say how its bytes are written, an output may only where its sink leaves the choice.",
        "Add, change or remove `format:` as the message says."),
    "spec.mode": Code(
        "a mode that does not fit",
        "Outputs append, upsert by `key` or replace by `by`; not every sink can do all of it.",
        "Choose one of the modes named, with the key it needs."),
    "spec.env": Code(
        "an environment variable is missing",
        "`${env:NAME}` takes its text from the environment when the file is read, and NAME is not set.",
        "Set the variable, or give a default: `${env:NAME:-default}`."),
    "spec.placeholder": Code(
        "a placeholder that is not known",
        "Between `${` and `}` stands `env:NAME`, `env:NAME:-default` or `secret:NAME`; nothing is ever evaluated.",
        "Mend the placeholder; to mean the signs themselves write `$${`."),
}
