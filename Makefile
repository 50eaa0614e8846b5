# The whole of mainstem in seven words. Needs Python 3.11 or newer, git and make; everything else comes by itself.
#   MAINSTEM_PYTHON=/path/to/python3.12 make setup     another interpreter than `python3`

PYTHON := $(or $(MAINSTEM_PYTHON),python3)
IN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test bench soak lint docs
help:            ## what there is
	@grep -hE '^[a-z]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## .venv with the locked dependencies; costs nothing when it is there already

$(READY): uv.lock pyproject.toml tools/setup.py
	@$(PYTHON) tools/setup.py

demo: $(READY)   ## run the greenhouse: dirty sensor data in, exact tables out, every record accounted for
	@$(IN)/python examples/greenhouse/demo.py

test: $(READY)   ## every layer of tests, one line each
	@$(IN)/python tools/layers.py

lint: $(READY)   ## only the quick layers: ruff, mypy, import contracts
	@$(IN)/python tools/layers.py lint types imports

bench: $(READY)  ## ratios beside DuckDB scripts, Bytewax and Spark by hand doing the same work
	@$(IN)/python benchmarks/run.py

soak: $(READY)   ## the long tests: real kills by the hundred, thousands of epochs
	@$(IN)/python tools/layers.py soak

docs: $(READY)   ## write the language reference from the models
	@$(IN)/python tools/reference.py
