"""What each Lambda and worker task does, as a function of its edges and one event.

An event is `{"config": {...}, "input": ...}`, as Cumulus tasks take it; the answer is a JSON value. Anything
that can grow past 200 kB is written to S3 and passed by address.
"""
