package web

import "github.com/sealgate/sealgate/groups"

// route is one page or form. The gateway decides what a person may do; roles only keep people away from forms that
// they could not submit.
type route struct {
	pattern string
	public  bool          // for people who have not logged in
	roles   []groups.Role // nil: every role
	limit   int64         // of the request body in bytes; 0 means formLimit
	stream  bool          // the form ends with a file, which do reads from visit.file
	do      func(*visit) error
}

// Limits of request bodies in bytes. A paste is at most 1 MiB; the rest is room for the form around it. A dump is kept in
// the spool, not in memory.
const (
	formLimit   = 256 << 10
	importLimit = 1<<20 + 64<<10
	dumpLimit   = 256 << 20
	draftLimit  = 4 << 20
)

// routes is the whole page, in the order of the menu.
func routes() []route {
	admins := []groups.Role{groups.Admin}
	writers := []groups.Role{groups.Admin, groups.Agent}
	return []route{
		{pattern: "GET /setup", public: true, do: setupForm},
		{pattern: "POST /setup", public: true, do: setup},
		{pattern: "GET /login", public: true, do: loginForm},
		{pattern: "POST /login", public: true, limit: draftLimit, do: login},
		{pattern: "POST /logout", do: logout},
		{pattern: "GET /keys", public: true, do: publicKeys},
		{pattern: "GET /keys/{address}", public: true, do: publicKey},
		{pattern: "GET /keys/{address}/certificate.asc", public: true, do: publicDownload},
		{pattern: "GET /{$}", do: overview},

		{pattern: "GET /compose", roles: writers, do: composeForm},
		{pattern: "POST /compose", roles: writers, limit: draftLimit, do: compose},
		{pattern: "POST /compose/plan", roles: writers, limit: draftLimit, do: composePlan},

		{pattern: "GET /articles", roles: writers, do: articleList},
		{pattern: "GET /articles/{id}", roles: writers, do: article},
		{pattern: "GET /articles/{id}/html", roles: writers, do: articleHTML},
		{pattern: "GET /articles/{id}/attachments/{n}", roles: writers, do: attachment},
		{pattern: "GET /articles/{id}/message.eml", roles: writers, do: rawArticle},
		{pattern: "GET /articles/{id}/original.eml", roles: writers, do: originalArticle},
		{pattern: "POST /articles/reopen", roles: writers, do: reopenWaiting},
		{pattern: "POST /articles/{id}/reopen", roles: writers, do: reopen},

		{pattern: "GET /queue", roles: writers, do: queueList},
		{pattern: "GET /queue/{id}", roles: writers, do: queuedCopy},
		{pattern: "POST /queue/{id}/reroute", roles: admins, do: rerouteQueued},
		{pattern: "GET /queue/{id}/delete", roles: admins, do: deleteQueuedForm},
		{pattern: "POST /queue/{id}/delete", roles: admins, do: deleteQueued},
		{pattern: "POST /queue/{id}/hold", roles: admins, do: holdQueued},
		{pattern: "POST /queue/{id}/retry", roles: admins, do: retryQueued},

		{pattern: "GET /keyring", do: keyringList},
		{pattern: "GET /keyring/import", roles: admins, do: importForm},
		{pattern: "POST /keyring/import", roles: admins, limit: dumpLimit, stream: true, do: importCertificates},
		{pattern: "GET /keyring/waiting", do: waitingCertificates},
		{pattern: "GET /keyring/forecast", do: forecast},
		{pattern: "POST /keyring/forecast/warnings", roles: admins, do: warnOwners},
		{pattern: "GET /keyring/rules", do: keyRules},
		{pattern: "POST /keyring/rules/pin", roles: admins, do: pinTarget},
		{pattern: "POST /keyring/rules/unpin", roles: admins, do: unpinTarget},
		{pattern: "POST /keyring/rules/tags", roles: admins, do: setTags},
		{pattern: "GET /keyring/generate", roles: admins, do: generateForm},
		{pattern: "POST /keyring/generate", roles: admins, do: generateKey},
		{pattern: "GET /keyring/{fingerprint}", do: certificate},
		{pattern: "POST /keyring/{fingerprint}/state", roles: admins, do: setCertificateState},
		{pattern: "GET /keyring/{fingerprint}/public.asc", do: downloadArmored},
		{pattern: "GET /keyring/{fingerprint}/public.pgp", do: downloadBinary},
		{pattern: "GET /keyring/{fingerprint}/secret", roles: admins, do: secretForm},
		{pattern: "POST /keyring/{fingerprint}/secret", roles: admins, do: downloadSecret},
		{pattern: "GET /keyring/{fingerprint}/manage", roles: admins, do: ownKeyForm},
		{pattern: "POST /keyring/{fingerprint}/extend", roles: admins, do: extendKey},
		{pattern: "POST /keyring/{fingerprint}/subkeys", roles: admins, do: addSubkey},
		{pattern: "POST /keyring/{fingerprint}/subkeys/retire", roles: admins, do: retireSubkey},
		{pattern: "GET /keyring/{fingerprint}/revoke", roles: admins, do: revokeForm},
		{pattern: "POST /keyring/{fingerprint}/revoke", roles: admins, do: revokeKey},
		{pattern: "POST /keyring/{fingerprint}/revocation", roles: admins, do: downloadRevocation},
		{pattern: "GET /keyring/{fingerprint}/upload", roles: admins, do: uploadForm},
		{pattern: "POST /keyring/{fingerprint}/upload", roles: admins, do: upload},
		{pattern: "GET /keyring/{fingerprint}/delete", roles: admins, do: deleteCertificateForm},
		{pattern: "POST /keyring/{fingerprint}/delete", roles: admins, do: deleteCertificate},

		{pattern: "GET /discovery", roles: admins, do: discoverForm},
		{pattern: "POST /discovery", roles: admins, do: discoverAddress},
		{pattern: "POST /discovery/approvals/{id}", roles: admins, do: saveApprovals},

		{pattern: "GET /groups", do: groupList},
		{pattern: "GET /groups/new", roles: admins, do: newGroupForm},
		{pattern: "POST /groups/new", roles: admins, do: saveGroup},
		{pattern: "GET /groups/{id}", roles: admins, do: groupForm},
		{pattern: "POST /groups/{id}", roles: admins, do: saveGroup},
		{pattern: "GET /groups/{id}/delete", roles: admins, do: deleteGroupForm},
		{pattern: "POST /groups/{id}/delete", roles: admins, do: deleteGroup},
		{pattern: "GET /groups/{id}/mailboxes/new", roles: admins, do: newMailboxForm},
		{pattern: "POST /groups/{id}/mailboxes/new", roles: admins, limit: importLimit, do: saveMailbox},
		{pattern: "GET /groups/{id}/mailboxes/{mailbox}", roles: admins, do: mailboxForm},
		{pattern: "POST /groups/{id}/mailboxes/{mailbox}", roles: admins, limit: importLimit, do: saveMailbox},
		{pattern: "POST /groups/{id}/mailboxes/{mailbox}/check", roles: admins, do: checkMailbox},
		{pattern: "POST /groups/{id}/mailboxes/{mailbox}/access", roles: admins, do: inviteAccess},
		{pattern: "POST /groups/{id}/mailboxes/{mailbox}/token", roles: admins, do: replaceAccess},
		{pattern: "GET /groups/{id}/mailboxes/{mailbox}/delete", roles: admins, do: deleteMailboxForm},
		{pattern: "POST /groups/{id}/mailboxes/{mailbox}/delete", roles: admins, do: deleteMailbox},

		{pattern: "GET /dkim", roles: admins, do: dkimKeys},
		{pattern: "POST /dkim/generate", roles: admins, do: generateDKIM},
		{pattern: "POST /dkim/import", roles: admins, do: importDKIM},
		{pattern: "POST /dkim/{domain}/{selector}/check", roles: admins, do: checkDKIM},
		{pattern: "POST /dkim/{domain}/{selector}/activate", roles: admins, do: activateDKIM},
		{pattern: "POST /dkim/{domain}/{selector}/deactivate", roles: admins, do: deactivateDKIM},
		{pattern: "GET /dkim/{domain}/{selector}/delete", roles: admins, do: deleteDKIMForm},
		{pattern: "POST /dkim/{domain}/{selector}/delete", roles: admins, do: deleteDKIM},

		{pattern: "GET /activity", do: activityList},
		{pattern: "GET /activity.jsonl", do: activityExport},

		{pattern: "GET /users", roles: admins, do: userList},
		{pattern: "GET /users/new", roles: admins, do: newUserForm},
		{pattern: "POST /users/new", roles: admins, do: saveUser},
		{pattern: "GET /users/{id}", roles: admins, do: userForm},
		{pattern: "POST /users/{id}", roles: admins, do: saveUser},
		{pattern: "POST /users/{id}/token", roles: admins, do: newUserToken},
		{pattern: "GET /users/{id}/delete", roles: admins, do: deleteUserForm},
		{pattern: "POST /users/{id}/delete", roles: admins, do: deleteUser},
		{pattern: "GET /account", do: account},
		{pattern: "POST /account/password", do: changePassword},
		{pattern: "POST /account/token", do: newOwnToken},
	}
}
