package monitor_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// handshakes counts those made with addresses since one moment.
func (w *world) handshakes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.proofs)
}

// TestFloodAsksLittle has as many answers overheard as the matcher ever hands over
// about one name, for half a minute: each with an address that nobody has seen. It makes
// the daemon neither ask nor dial in step, whether they come alone, beside genuine
// ones, or while a case is open; and a lie about another name is judged meanwhile.
func TestFloodAsksLittle(t *testing.T) {
	tests := []struct {
		name  string
		first func(hear func(monitor.Sample))
		each  func(n uint16, addr string) monitor.Sample
	}{
		{"alone", nil, func(n uint16, addr string) monitor.Sample { return transaction(n, 1, evil(addr)) }},
		{"beside genuine ones", nil, func(n uint16, addr string) monitor.Sample { return transaction(n, 1, good(goodAddr), evil(addr)) }},
		{"before genuine ones", nil, func(n uint16, addr string) monitor.Sample { return transaction(n, 1, evil(addr), good(goodAddr)) }},
		{
			"alone, while a case is open",
			func(hear func(monitor.Sample)) { hear(transaction(1, 1, evil(evilAddr), good(goodAddr))) },
			func(n uint16, addr string) monitor.Sample { return transaction(n, 1, evil(addr)) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				other := monitor.Question{Name: "other.partner.example.", Type: monitor.TypeA}
				c.Watches = append(c.Watches, monitor.Watch{Name: other.Name, Types: []monitor.Type{other.Type}})
				w.change(other, goodAddr)
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					quietAsked, quietDialled := w.questions(""), w.handshakes()
					wait(2 * time.Minute)
					quietAsked, quietDialled = w.questions("")-quietAsked, w.handshakes()-quietDialled
					asked, dialled := w.questions(""), w.handshakes()
					if tt.first != nil {
						tt.first(func(s monitor.Sample) { m.Offer(s); wait(time.Second) })
					}
					const seconds, each = 30, 16
					for i := range seconds * each {
						a := netip.AddrFrom4([4]byte{192, 0, byte(100 + i/250), byte(i % 250)})
						m.Offer(tt.each(uint16(i), a.String()))
						wait(time.Second / each)
					}
					s := transaction(9999, 1, good(goodAddr), evil(evilAddr))
					s.Question = other
					for i := range s.Answers {
						s.Answers[i].Records[0].Name = other.Name
					}
					m.Offer(s)
					wait(time.Minute)
					asked, dialled = w.questions("")-asked-quietAsked, w.handshakes()-dialled-quietDialled
					// An open case may run its plan for a few addresses, not for each of 480.
					if asked > 300 || dialled > 60 {
						t.Errorf("%d questions, %d handshakes for %d forged answers", asked, dialled, seconds*each)
					}
					st, err := m.Status(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if !slices.ContainsFunc(w.told(monitor.AlertOpened), func(e monitor.Event) bool {
						return decode[monitor.Alert](e.Data).Name == other.Name
					}) {
						t.Error("the lie about the other name was not heeded")
					}
					if st.Counts.Unheeded == 0 || st.Counts.Dropped != 0 {
						t.Errorf("%+v", st.Counts)
					}
				})
			})
		})
	}
}
