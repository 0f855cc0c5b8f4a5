package main

import (
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// recipe is a section of docs/relay.md with the blocks that an administrator copies. What the tests run is what stands
// there, with ports of the kernel's instead of the well-known ones.
type recipe struct {
	t      *testing.T
	blocks map[string]string
	ports  map[string]string
}

// readRecipe reads a section. ports are those in the text, and what stands for them here.
func readRecipe(t *testing.T, section string, ports map[string]string) *recipe {
	t.Helper()
	text, err := os.ReadFile("../../docs/relay.md")
	if err != nil {
		t.Fatal(err)
	}
	_, found, ok := strings.Cut(string(text), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("docs/relay.md has no section %q", section)
	}
	found, _, _ = strings.Cut(found, "\n## ")
	r := &recipe{t: t, blocks: map[string]string{}, ports: ports}
	for i, block := range strings.Split(found, "```") {
		if i%2 == 1 {
			head, body, _ := strings.Cut(strings.TrimPrefix(block, "\n"), "\n")
			name, _, _ := strings.Cut(strings.TrimPrefix(head, "# "), ":")
			r.blocks[name] = body
		}
	}
	return r
}

var number = regexp.MustCompile(`\b\d{2,5}\b`)

// block is a copied block, with this test's ports, domain and addresses.
func (r *recipe) block(name string) string {
	r.t.Helper()
	body, ok := r.blocks[name]
	if !ok {
		r.t.Fatalf("the recipe has no block %q", name)
	}
	body = number.ReplaceAllStringFunc(body, func(port string) string {
		if other, ok := r.ports[port]; ok {
			return other
		}
		return port
	})
	names := strings.NewReplacer("desk.example", "desk.test", "submission inet", r.ports["587"]+" inet", "smtp inet", r.ports["25"]+" inet")
	return names.Replace(body)
}

// doors are the lines of listen.relay; their own ports are the kernel's to choose.
func (r *recipe) doors() []string {
	r.t.Helper()
	var doors []string
	for line := range strings.Lines(r.block("sealgate.yaml")) {
		if door, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			doors = append(doors, door)
		}
	}
	return doors
}

// freePorts are ports of 127.0.0.1 that were free a moment ago, for these well-known ones.
func freePorts(t *testing.T, wellKnown ...string) (map[string]string, []int) {
	t.Helper()
	free := map[string]string{}
	var all []int
	for _, port := range wellKnown {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // not before all were given
		n := l.Addr().(*net.TCPAddr).Port
		free[port], all = strconv.Itoa(n), append(all, n)
	}
	return free, all
}

// newNeighbourSite is a site with the doors of a recipe, whose group writes through the server at next.
func newNeighbourSite(t *testing.T, r *recipe, next string) *site {
	t.Helper()
	s := newPeers(t)
	s.config = s.newConfig()
	s.config.Listen.Relay = r.doors()
	s.start()
	s.fill(func(g *groups.Group) { g.Sign, g.Encrypt = groups.On, groups.On })
	s.leavesThrough(next)
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	return s
}

// leavesThrough makes a server of this machine the one that the group's mailbox sends through.
func (s *site) leavesThrough(address string) {
	s.t.Helper()
	all, err := s.parts.gateway.ListMailboxes(s.t.Context(), cli)
	if err != nil {
		s.t.Fatal(err)
	}
	mailbox := all[0].Mailbox
	mailbox.IMAP, mailbox.SMTP = groups.Upstream{}, groups.Upstream{Address: address, TLS: groups.TLSNone}
	if _, err := s.parts.gateway.SaveMailbox(s.t.Context(), cli, gateway.MailboxRequest{Mailbox: mailbox}); err != nil {
		s.t.Fatal(err)
	}
}

// handTo gives a message to a mail server of this machine, without TLS and without a login.
func (s *site) handTo(address, from, message string, to ...string) {
	s.t.Helper()
	if err := offer(s.t, address, from, message, to...); err != nil {
		s.t.Fatal(err)
	}
}

// offer is handTo for what may be refused.
func offer(t *testing.T, address, from, message string, to ...string) error {
	t.Helper()
	c, err := smtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SendMail(from, to, strings.NewReader(message)); err != nil {
		return err
	}
	return c.Quit()
}
