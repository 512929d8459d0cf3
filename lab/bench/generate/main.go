// Command generate writes a capture of DNS traffic, and says on standard output,
// as JSON, what is in it.
//
//	generate [-packets 1000000] [-no-tcp] FILE
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"

	"github.com/dnstaster/dnstaster/lab/bench/traffic"
)

func main() {
	log.SetFlags(0)
	var cfg traffic.Config
	flag.IntVar(&cfg.Packets, "packets", 1_000_000, "how many, and a few more")
	flag.Int64Var(&cfg.Seed, "seed", 42, "of the random numbers")
	flag.BoolVar(&cfg.NoTCP, "no-tcp", false, "UDP alone")
	flag.Parse()
	if err := write(cfg, flag.Args()); err != nil {
		log.Fatal("generate: ", err)
	}
}

func write(cfg traffic.Config, files []string) error {
	if len(files) != 1 {
		return errors.New("want one file")
	}
	f, err := os.Create(files[0])
	if err != nil {
		return err
	}
	truth, err := traffic.Write(f, cfg)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(truth)
}
