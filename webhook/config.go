package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/config"

	"github.com/dnstaster/dnstaster/monitor"
)

// Defaults of a Config.
const (
	DefaultTimeout = 15 * time.Second
	DefaultGiveUp  = 24 * time.Hour
	DefaultFormat  = Standard
	// DefaultResend is how often a firing alert is told to Alertmanager again: it
	// ends by itself after resolve_timeout (5 min where nothing else is set).
	DefaultResend = time.Minute
)

// The formats.
const (
	Standard     = "standard"
	Slack        = "slack"
	Alertmanager = "alertmanager"
)

// Formats lists what a Config may have as Format, in order.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// defaultTypes are what an endpoint gets that does not say otherwise. A name's
// verdict alone never leaves unasked: what it is worth telling, an alert tells.
var defaultTypes = []string{"alert.", "health.", monitor.WebhookTest}

// Config is one endpoint.
type Config struct {
	Name   string // unique; its cursor's key, and its label in logs and metrics
	URL    URL
	Secret Secret // none means unsigned, which is warned of
	Format string // one of Formats; "" means DefaultFormat
	// Types of events to send: "alert." is all that begin so, "alert.opened"
	// that one. Empty means alerts, health and tests. For Alertmanager, which is
	// told what stands and not what happened, any type of an alert means all
	// alerts, and any of health all of health.
	Types []string
	// Host and Labels are put on what the data of an event has none for: health
	// and tests. Alerts bear their own.
	Host   string
	Labels map[string]string
	// Conditions gives what keeps the daemon from its work now, for Alertmanager;
	// nil means that health is told as it happens, and not again. It may be called
	// at any time.
	Conditions func(context.Context) ([]monitor.HealthStatus, error)
	Resend     time.Duration // to Alertmanager; 0 means DefaultResend
	// HTTP is http_config as in Prometheus. Redirects are never followed and
	// oauth2 is refused, whatever it says.
	HTTP   config.HTTPClientConfig
	Dialer *Dialer // nil asks the system's resolver only
	// Heartbeat is how often Pulse is sent while the endpoint takes all else; 0
	// is never. Types has to hold monitor.Heartbeat then. Pulse may be called at
	// any time; when it fails there is no heartbeat.
	Heartbeat time.Duration
	Pulse     func(context.Context) (monitor.Pulse, error)
	Timeout   time.Duration // of one try, whole; 0 means DefaultTimeout
	GiveUp    time.Duration // age at which an event that keeps failing is dead; 0 means DefaultGiveUp
	Version   string        // of this program, for the User-Agent
}

func (c Config) withDefaults() Config {
	c.Format = cmp.Or(c.Format, DefaultFormat)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.GiveUp = cmp.Or(c.GiveUp, DefaultGiveUp)
	c.Resend = cmp.Or(c.Resend, DefaultResend)
	if len(c.Types) == 0 {
		c.Types = defaultTypes
	}
	return c
}

// check gives all that is wrong, other than with HTTP.
func (c Config) check() []error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("it has no name"))
	}
	if c.URL.IsZero() {
		errs = append(errs, errors.New("it has no URL (url_file)"))
	}
	if _, ok := formats[c.Format]; !ok {
		errs = append(errs, fmt.Errorf("format %q is not one of %q", c.Format, Formats()))
	}
	// A type that fits nothing would make an endpoint that is silent for ever.
	for _, t := range c.Types {
		if t == monitor.Heartbeat {
			continue
		}
		if head, tail, ok := strings.Cut(t, "."); !ok || head == "" || strings.ContainsAny(tail, ".*") {
			errs = append(errs, fmt.Errorf("event type %q is neither one type, as alert.opened, nor all that begin so, as alert. with the dot", t))
		}
	}
	if c.Timeout < 0 || c.GiveUp < 0 || c.Resend < 0 {
		errs = append(errs, errors.New("a duration is negative"))
	}
	return append(errs, c.checkHeartbeat()...)
}

// wants reports whether events of that type go to the endpoint.
func (c Config) wants(eventType string) bool {
	return slices.ContainsFunc(c.Types, func(t string) bool {
		return eventType == t || strings.HasSuffix(t, ".") && strings.HasPrefix(eventType, t)
	})
}

// wantsAny reports whether events of any type that begins with prefix go to the
// endpoint.
func (c Config) wantsAny(prefix string) bool {
	return slices.ContainsFunc(c.Types, func(t string) bool { return strings.HasPrefix(t, prefix) })
}
