"""The plan: a YAML file, strictly validated, with a fingerprint; see :mod:`runbook.plan.load`."""
