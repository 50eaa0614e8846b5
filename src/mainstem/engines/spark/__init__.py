"""Apache Spark as an engine: it places the tasks of `engines/stages` and moves their messages; the kernels are the embedded ones."""
