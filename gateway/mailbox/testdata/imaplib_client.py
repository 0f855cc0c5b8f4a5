"""What a client of another make does: Python's imaplib, step by step. Exits with a traceback when an answer is wrong."""
import imaplib
import sys

c = imaplib.IMAP4("127.0.0.1", int(sys.argv[1]))
assert "SORT" not in c.capabilities and "THREAD" not in c.capabilities, c.capabilities
c.login("desk", "gate")
assert c.list() == ("OK", [b'(\\Subscribed) "/" INBOX']), c.list()
assert c.select("INBOX") == ("OK", [b"3"])
assert c.search(None, "ALL") == ("OK", [b"1 2 3"])
assert c.search(None, "UNSEEN", "SINCE", "01-Mar-2026") == ("OK", [b"1 2 3"])
assert c.search("UTF-8", "SUBJECT", "two") == ("OK", [b"2"])
assert c.search(None, "SEEN") == ("OK", [b""])
kind, data = c.fetch("1", "(RFC822.SIZE FLAGS INTERNALDATE RFC822.HEADER)")
assert kind == "OK" and b"Subject: one" in data[0][1], data
assert c.search(None, "SEEN") == ("OK", [b""]), "RFC822.HEADER must not set \\Seen"
kind, data = c.fetch("1", "(RFC822)")
assert kind == "OK" and data[0][1].endswith(b"Body of one\r\n"), data
assert c.search(None, "SEEN") == ("OK", [b"1"]), "RFC822 must set \\Seen"
assert c.store("2", "+FLAGS", "(\\Deleted)")[0] == "OK"
assert c.uid("STORE", "3", "+FLAGS.SILENT", "(\\Answered)")[0] == "OK"
assert c.expunge() == ("OK", [b"2"])
assert c.uid("SEARCH", None, "ALL") == ("OK", [b"1 3"])
kind, data = c.status("INBOX", "(MESSAGES UIDNEXT UNSEEN RECENT)")
assert data == [b"INBOX (MESSAGES 2 UIDNEXT 4 UNSEEN 1 RECENT 0)"], data
assert c.append("INBOX", None, None, b"Subject: x\r\n\r\n")[0] == "NO"
assert c.copy("1", "INBOX")[0] == "NO"
assert c.namespace() == ("OK", [b'(("" "/")) NIL NIL']), c.namespace()
c.close()
c.logout()
