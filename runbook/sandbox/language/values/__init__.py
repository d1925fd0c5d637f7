"""Values: how they are kept in SQLite, how types convert, what the wire gets.

Physical forms: integers, bit, money (times 10,000) and decimals up to 18 digits (times ten to the scale) are SQLite
integers; wider decimals are sortable text (:func:`numbers.encode`); dates are integers of 100 ns, counted from year 1
or from midnight; datetimeoffset is text, the UTC ticks before the offset; the rest is text, float or blob.
"""
