package discover

// Schema is that of a Report as JSON.
const Schema = "dnstaster.discover/v1"

// Report is what was found in trees. It is the same for the same trees.
type Report struct {
	Schema       string     `json:"schema"`
	Paths        []string   `json:"paths"` // as they were given
	Hosts        []Host     `json:"hosts"` // by name
	Weaknesses   []Weakness `json:"weaknesses"`
	PrivateZones []string   `json:"private_zones"` // that hold the inside names
	PassedOver   []Passed   `json:"passed_over"`
	Files        int        `json:"files"` // that were read
	Bytes        int64      `json:"bytes"` // that they hold
}

// Host is a name that outgoing calls use.
type Host struct {
	Name        string   `json:"name"`                   // without the root's dot
	Port        uint16   `json:"port,omitempty"`         // that it shows its certificate on; 443 where it is left out
	NoTLS       bool     `json:"no_tls,omitempty"`       // nothing that begins with TLS is spoken to it
	Plain       bool     `json:"plain,omitempty"`        // called by http, and never by https
	Inside      bool     `json:"inside,omitempty"`       // means something on its own network alone
	SecretNames []string `json:"secret_names,omitempty"` // of keys that it seems to be sent
	Places      []Place  `json:"places"`                 // the first of them
	Count       int      `json:"count"`                  // of all places
}

// Place is a line of a file.
type Place struct {
	File string `json:"file"` // below the path that was given, with it in front
	Line int    `json:"line"` // from 1
}

// Severity orders weaknesses by what they cost where an answer is poisoned.
type Severity string

const (
	// Critical hands a key to whoever answers.
	Critical Severity = "critical"
	// High hands over whatever is sent.
	High Severity = "high"
	// Medium has a key end up where it can be read later.
	Medium Severity = "medium"
	// Low makes it easier, or the harm larger.
	Low Severity = "low"
)

// Weakness is what would turn a poisoned answer into a leaked key.
type Weakness struct {
	Rule        Rule     `json:"rule"`
	Severity    Severity `json:"severity"`
	File        string   `json:"file"`
	Line        int      `json:"line"`
	Host        string   `json:"host,omitempty"`         // that is called nearest to it, if one is near
	SecretNames []string `json:"secret_names,omitempty"` // that it seems to be sent
	Text        string   `json:"text"`
	Guidance    string   `json:"guidance"`
	Reference   string   `json:"reference"` // in CWE
}

// Passed is what was passed over, and why.
type Passed struct {
	Reason string   `json:"reason"`
	Count  int      `json:"count"`
	Files  []string `json:"files"` // the first of them
}
