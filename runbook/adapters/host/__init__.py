"""Hosts: this machine, and others over SSH. See :mod:`runbook.hosting` for what is promised.

``shell`` is what a call looks like, ``posix`` and ``powershell`` put it into words, ``local`` and ``ssh`` carry it.
"""
