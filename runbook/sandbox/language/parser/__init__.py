"""T-SQL text to syntax trees."""

from runbook.sandbox.language.parser.batch import BatchParser, parse_batch

__all__ = ["BatchParser", "parse_batch"]
