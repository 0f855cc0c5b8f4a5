// Package mailbox is the IMAP side: a server over a mirror of an upstream mailbox, and the sync that feeds the mirror.
//
// The sync fetches each upstream message once and hands it to Receive (the gateway), which opens it, freezes the
// result and inserts it into the mirror under a UID of ours. The server answers everything (size, structure, sections,
// search) from those frozen bytes, so that the bytes of a UID never change. What a client changes (flags, expunge) is
// durable here first and then applied upstream; nothing else is ever deleted upstream. The package opens no mail.
//
// The mirror's UIDs and UIDVALIDITY are ours and survive whatever upstream does with its own. A message that only
// exists here (a later opening) has no upstream UID and is never pushed. A message that other clients expunged
// upstream goes here too; its article stays in the archive. A folder that is gone upstream stays here as it was.
//
// Upstream without UIDPLUS knows no expunge of single messages: there a message that a client expunged is flagged
// \Deleted, and expunged as soon as no other message carries that flag.
//
// Served are reading, flags and expunge; APPEND, COPY, CREATE, DELETE and RENAME answer NO [CANNOT]. Dates are told and
// searched in UTC.
package mailbox
