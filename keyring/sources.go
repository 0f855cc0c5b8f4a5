package keyring

// The sources of certificates that nobody here asked a person for. What comes from them is a proposal.
const (
	WKD        Source = "wkd"        // the web key directory of the address's own domain
	Keyserver  Source = "keyserver"  // a VKS or HKP keyserver
	Attachment Source = "attachment" // attached to a message from the address
	Autocrypt  Source = "autocrypt"  // the Autocrypt field of a message from the address
	Gossip     Source = "gossip"     // told by somebody else inside an encrypted message
)
