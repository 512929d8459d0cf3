package resolver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// maxDetail bounds the text about a failure, in octets: a certificate can name
// a thousand hosts.
const maxDetail = 256

var (
	errTimeout = os.ErrDeadlineExceeded
	errClosed  = errors.New("the asker is closed")
	errHangup  = errors.New("the server closed the connection")
)

// tlsError is a handshake in which the endpoint did not prove its name.
type tlsError struct{ err error }

func (e tlsError) Error() string { return e.err.Error() }
func (e tlsError) Unwrap() error { return e.err }

// describe gives the text of Observation.Error: a word of monitor, and detail
// where there is more to say. It is the same for the same cause, so that
// failures can be told apart and counted; hence no ports and no times.
func describe(err error) string {
	w := word(err)
	if l, ok := err.(lost); ok {
		err = l.error
	}
	switch err {
	case errTimeout, context.DeadlineExceeded, context.Canceled, syscall.ECONNREFUSED:
		return w
	}
	return w + ": " + presentation.Text(strings.TrimPrefix(err.Error(), w+": "), maxDetail)
}

// word classifies err. The order matters: a handshake that times out proves
// nothing about the name.
func word(err error) string {
	var (
		bad   badResponse
		cert  tlsError
		timed net.Error
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errClosed):
		return monitor.ErrCanceled
	case errors.As(err, &bad):
		return monitor.ErrBadResponse
	case errors.Is(err, syscall.ECONNREFUSED):
		return monitor.ErrRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EHOSTDOWN),
		// No address of that family here, or no such family.
		errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return monitor.ErrUnreachable
	case errors.As(err, &timed) && timed.Timeout():
		return monitor.ErrTimeout
	case errors.As(err, &cert):
		return monitor.ErrTLS
	}
	return monitor.ErrOther
}

// cause strips from an error of package net what differs each time (ports) or
// says nothing (the system call).
func cause(err error) error {
	var (
		number syscall.Errno
		op     *net.OpError
	)
	switch {
	case errors.Is(err, net.ErrClosed):
		return errClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errHangup
	case errors.As(err, &number):
		return number
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// handshakeCause tells an endpoint that did not prove its name from one that
// could not be reached. ctx is that of the handshake.
func handshakeCause(ctx context.Context, err error) error {
	var (
		invalid  x509.CertificateInvalidError
		verified *tls.CertificateVerificationError
		number   syscall.Errno
	)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNotHTTP2):
		return errNotHTTP2 // the name is proven
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		// The text of x509 has the current time in it.
		return tlsError{errors.New(strings.TrimPrefix(monitor.ErrExpired, monitor.ErrTLS+": "))}
	case errors.As(err, &verified):
		return tlsError{verified.Err}
	case errors.As(err, &number), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cause(err)
	}
	var op *net.OpError // around an alert of the server
	if errors.As(err, &op) {
		err = op.Err
	}
	return tlsError{err}
}
