package webhook

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestTypes(t *testing.T) {
	tests := []struct {
		types []string
		event string
		want  bool
	}{
		{nil, monitor.AlertOpened, true},
		{nil, monitor.HealthRestored, true},
		{nil, monitor.WebhookTest, true},
		{nil, monitor.VerdictChanged, false},
		{nil, "alerting", false},
		{[]string{"verdict."}, monitor.VerdictChanged, true},
		{[]string{"verdict."}, monitor.AlertOpened, false},
		{[]string{"alert.opened"}, monitor.AlertOpened, true},
		{[]string{"alert.opened"}, monitor.AlertUpdated, false},
		{[]string{"alert.opened"}, "alert.opened.again", false},
	}
	for _, tt := range tests {
		s := sender(t, newLog(), nil, func(c *Config) { c.Types = tt.types })
		if got := s.config.wants(tt.event); got != tt.want {
			t.Errorf("types %q: wants(%q) = %t, want %t", tt.types, tt.event, got, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	c := Config{Format: "pigeon", Types: []string{"alert.*", "alert", "*", ""}, Timeout: -1}
	c.HTTP.BearerToken, c.HTTP.BearerTokenFile = "a", "b"
	_, err := New(c, newLog(), slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("New() = nil")
	}
	for _, want := range []string{"no name", "url_file", `"pigeon" is not one of ["alertmanager" "slack" "standard"]`, `"alert.*"`, `"alert" `, `"*"`, `""`, "negative", "bearer_token"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New() lacks %q:\n%v", want, err)
		}
	}
}
