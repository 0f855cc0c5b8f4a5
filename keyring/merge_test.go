package keyring

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"pgregory.net/rapid"
)

// eventful is a key with everything that can happen to one.
func eventful(t testing.TB) *key {
	k := newKeyAt(t, lastYear(), "Ann", "ann@example.org").addUserID("Ann Old", "old@example.org")
	k.later(time.Hour).addUserID("Ann New", "new@example.org").revokeUserID("Ann Old <old@example.org>")
	k.must(k.AddEncryptionSubkey(&k.cfg))
	k.must(k.AddSigningSubkey(&k.cfg))
	k.later(time.Hour)
	k.must(k.Subkeys[0].Revoke(packet.KeyRetired, "", &k.cfg))
	k.must(k.Subkeys[2].Revoke(packet.KeySuperseded, "", &k.cfg))
	extended(k, time.Hour)
	return k.later(time.Hour).revoke(packet.KeyRetired)
}

// variant draws a copy of m as somebody may hold it: older, smaller, with some secret keys or none. One user ID with its
// self-signatures is always there, without which it is no certificate.
func variant(t *rapid.T, m material) []byte {
	some := func(c component) component {
		c.sigs = slices.DeleteFunc(slices.Clone(c.sigs), func([]byte) bool { return rapid.Bool().Draw(t, "drop") })
		if rapid.Bool().Draw(t, "public") {
			c.secret = nil
		}
		return c
	}
	v := material{primary: some(m.primary), userIDs: []component{m.userIDs[0]}}
	for _, u := range m.userIDs[1:] {
		v.userIDs = append(v.userIDs, some(u))
	}
	for _, s := range m.subkeys {
		v.subkeys = append(v.subkeys, some(s))
	}
	return v.bytes()
}

func TestMergeIsAUnionInAnyOrder(t *testing.T) {
	whole := parseOne(t, eventful(t).secret(), noon()).material
	rapid.Check(t, func(rt *rapid.T) {
		var variants [][]byte
		for range rapid.IntRange(1, 5).Draw(rt, "variants") {
			variants = append(variants, variant(rt, whole))
		}
		once := mergeAll(t, variants)
		again := slices.Concat(variants, rapid.Permutation(variants).Draw(rt, "again"))
		shuffled := mergeAll(t, rapid.Permutation(again).Draw(rt, "order"))
		if !once.material.equal(shuffled.material) {
			rt.Fatalf("another order gave\n%s\ninstead of\n%s", reportCertificate(shuffled), reportCertificate(once))
		}
		all := mergeAll(t, append(variants, whole.bytes()))
		if !all.material.equal(whole.public()) {
			rt.Fatalf("with the whole certificate it is still\n%s", reportCertificate(all))
		}
	})
}

func mergeAll(t *testing.T, inputs [][]byte) *Certificate {
	t.Helper()
	merged := parseOne(t, inputs[0], noon()).Certificate
	for _, input := range inputs[1:] {
		var err error
		if merged, err = DefaultLimits().combine(merged, parseOne(t, input, noon()).Certificate, noon()); err != nil {
			t.Fatal(err)
		}
	}
	return merged
}

func TestMergeKeepsARevocation(t *testing.T) {
	k := ann(t)
	clean := k.public()
	revoked := k.later(time.Hour).revoke(packet.KeyCompromised).public()
	if c := mergeAll(t, [][]byte{revoked, clean, clean}); !c.Revoked || c.ForEncryption(noon()) != RevokedKey {
		t.Error("an older copy undid a revocation")
	}
}

func TestMergeSaysWhatIsNew(t *testing.T) {
	k := ann(t)
	stages := [][]byte{k.public()}
	add := func() { stages = append(stages, k.public()) }
	add()
	k.later(time.Hour).addUserID("Ann Old", "old@example.org")
	add()
	k.must(k.AddEncryptionSubkey(&k.cfg))
	add()
	k.revokeUserID("Ann Old <old@example.org>")
	add()
	k.must(k.Subkeys[0].Revoke(packet.KeyRetired, "", &k.cfg))
	add()
	k.revoke(packet.KeyRetired)
	add()

	var words []string
	merged := parseOne(t, stages[0], noon()).Certificate
	for _, stage := range stages[1:] {
		now, err := DefaultLimits().combine(merged, parseOne(t, stage, noon()).Certificate, noon())
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, strings.Join(differences(merged, now), "; "))
		merged = now
	}
	keyID := func(i int) string { return k.Subkeys[i].PublicKey.KeyIdString() }
	want := []string{
		"", "new user ID Ann Old <old@example.org>", "new subkey " + keyID(1),
		"user ID Ann Old <old@example.org> revoked", "subkey " + keyID(0) + " revoked", "revoked",
	}
	if !slices.Equal(words, want) {
		t.Errorf("got %q, want %q", words, want)
	}
}

func TestMergeIgnoresRewrittenUnhashedAreas(t *testing.T) {
	m := parseOne(t, ann(t).public(), noon()).material
	blown := m
	blown.userIDs = slices.Clone(m.userIDs)
	sig := m.userIDs[0].sigs[0]
	end, _ := areaEnd(sig, 4, 2)
	// One more unhashed subpacket: a private one of three octets.
	length := int(sig[end])<<8 | int(sig[end+1])
	longer := slices.Concat(sig[:end], []byte{byte((length + 5) >> 8), byte(length + 5)}, sig[end+2:end+2+length],
		[]byte{4, 100, 'x', 'y', 'z'}, sig[end+2+length:])
	blown.userIDs[0].sigs = [][]byte{longer}
	for _, order := range [][][]byte{{blown.bytes(), m.bytes()}, {m.bytes(), blown.bytes()}} {
		if both := mergeAll(t, order); !both.material.equal(m) {
			t.Error("a copy with a rewritten unhashed area was kept")
		}
	}
}
