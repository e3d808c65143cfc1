"""The query language of Resource Graph, a subset of Kusto's: lexer, parser, and an evaluator over typed columns."""
