package main

import (
	"encoding"
	"reflect"

	"github.com/goccy/go-yaml"
)

// showOptions is how that tree is written.
var showOptions = []yaml.EncodeOption{yaml.Indent(2), yaml.IndentSequence(true)}

// shown gives the configuration as a tree that can be written as YAML: keys as
// they are read, values as they are used.
func (c *config) shown() any { return shown(reflect.ValueOf(*c)) }

func shown(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case watchTLS:
		if x.Off {
			return "off"
		}
	case resolverConfig:
		if x.Known != "" {
			return x.Known
		}
	case httpConfig:
		return nil // may hold secrets; Prometheus's own marshalling would mask them one by one
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.Struct:
		tree := yaml.MapSlice{}
		for i := range v.NumField() {
			key := v.Type().Field(i).Tag.Get("yaml")
			if key == "" || v.Field(i).IsZero() {
				continue
			}
			if x := shown(v.Field(i)); x != nil {
				tree = append(tree, yaml.MapItem{Key: key, Value: x})
			}
		}
		return tree
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = shown(v.Index(i))
		}
		return list
	}
	return v.Interface()
}
