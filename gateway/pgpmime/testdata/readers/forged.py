"""Reads the messages in a folder as Python's email does, under both of its policies, and names each one in which a field
below the top, or more than one at the top, has a name of ours or gives orders to a ticket system."""
import email
import email.policy
import pathlib
import sys

OURS = {"sealgate-encryption", "sealgate-signature", "sealgate-signer", "sealgate-verdict"}


def forged(message):
    for i, part in enumerate(message.walk()):
        names = [n.strip().lower().replace("_", "-") for n in part.keys()]
        names = [n for n in names if n.startswith(("sealgate", "x-zammad"))]
        if (i > 0 and names) or set(names) - OURS or len(names) != len(set(names)):
            return True
    return False


for path in sorted(pathlib.Path(sys.argv[1]).glob("*.eml")):
    raw = path.read_bytes()
    for policy in (email.policy.compat32, email.policy.default):
        try:
            found = forged(email.message_from_bytes(raw, policy=policy))
        except Exception:  # what it cannot read it does not believe
            found = False
        if found:
            print(path.name)
            break
