"""All T-SQL the program can send, as functions from values to text.

Names are quoted by :func:`quoting.name`, text by :func:`quoting.literal`; nothing else ever puts a value into a
statement. Every public function of these modules is parsed by Microsoft's own parser in the tests. The forms are
those that SQL Server 2016 to 2025 share.
"""
