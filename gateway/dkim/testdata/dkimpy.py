"""Verifies every DKIM signature of the message on stdin with dkimpy. Arguments: NAME=RECORD of each key."""
import sys
import dkim

records = dict(a.split("=", 1) for a in sys.argv[1:])
message = sys.stdin.buffer.read()


def lookup(name, timeout=5):
    record = records.get(name.decode().rstrip("."))
    return record.encode() if record else None


verifier = dkim.DKIM(message)
count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")
print(" ".join(str(dkim.DKIM(message).verify(idx=i, dnsfunc=lookup)) for i in range(count)))
