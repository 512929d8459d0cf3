// Command ring hears an interface as the daemon does, and only counts what it
// hears: what a capture costs before anything is made of it. It says "ready" when
// it hears, and at the end of its standard input, as JSON, what it heard.
//
//	ring INTERFACE OCTETS
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"

	"github.com/dnstaster/dnstaster/capture"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("ring: ", err)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("want an interface and the size of the ring")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	live, err := capture.Listen(capture.LiveConfig{Interface: args[0], RingSize: size}, slog.Default())
	if err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		for {
			if _, err := live.Next(); err != nil {
				done <- err
				return
			}
		}
	}()
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	s := live.Stats()
	err = live.Close()
	if stopped := <-done; !errors.Is(stopped, capture.ErrStopped) {
		err = errors.Join(err, stopped)
	}
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(map[string]uint64{"packets": s.Received, "lost": s.Dropped}))
}
