"""A face of `project`: the command `mainstem`, one file per noun. Data on stdout, everything else on stderr."""
