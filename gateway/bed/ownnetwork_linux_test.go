package bed

import (
	"net"
	"os"
	"strings"
	"testing"
)

// TestInOwnNetwork: in there names stand for the test's own machine and port 443 is free; out here nothing has changed.
func TestInOwnNetwork(t *testing.T) {
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	InOwnNetwork(t, func(n *OwnNetwork) {
		n.Names(t, "desk.test")
		n.Trust(t, NewAuthority(t, "desk.test"))
		l, err := net.Listen("tcp", ":443")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := net.Dial("tcp", "desk.test:443")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if addresses, err := net.LookupHost("elsewhere.test"); err == nil {
			t.Errorf("another name stands for %v", addresses)
		}
		all, err := net.Interfaces()
		if err != nil || len(all) != 1 {
			t.Errorf("the network has %v, %v", all, err)
		}
	})
	if os.Getenv(inOwnNetwork) != "" {
		return
	}
	if after, err := os.ReadFile("/etc/hosts"); err != nil || string(after) != string(hosts) || strings.Contains(string(after), "desk.test") {
		t.Errorf("the machine's own names are now\n%s\n%v", after, err)
	}
}
