package history

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// FileName is that of a record in the directory of its run.
const FileName = "record.json"

// Write puts the record into the directory of a run, in one step.
func (r *Record) Write(dir string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	name := filepath.Join(dir, FileName)
	if err := os.WriteFile(name+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// Read gets the record out of the directory of a run.
func Read(dir string) (*Record, error) {
	data, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("history: %s in %s: %w", FileName, dir, err)
	}
	return r, nil
}

// plainOperation is an Operation without its methods.
type plainOperation Operation

// writtenOperation is an operation as JSON has it.
type writtenOperation struct {
	*plainOperation
	Request, Response *message `json:",omitempty"`
}

// message is a message with its name, in the JSON of protocol buffers.
type message struct {
	Type  protoreflect.FullName
	Value json.RawMessage
}

// MarshalJSON writes the messages with their names.
func (o Operation) MarshalJSON() ([]byte, error) {
	w := writtenOperation{plainOperation: (*plainOperation)(&o)}
	var err error
	if w.Request, err = written(o.Request); err != nil {
		return nil, err
	}
	if w.Response, err = written(o.Response); err != nil {
		return nil, err
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (o *Operation) UnmarshalJSON(data []byte) error {
	w := writtenOperation{plainOperation: (*plainOperation)(o)}
	err := json.Unmarshal(data, &w)
	if err != nil {
		return err
	}
	if o.Request, err = w.Request.read(); err != nil {
		return err
	}
	o.Response, err = w.Response.read()
	return err
}

func written(m proto.Message) (*message, error) {
	if m == nil {
		return nil, nil
	}
	value, err := protojson.Marshal(m)
	return &message{m.ProtoReflect().Descriptor().FullName(), value}, err
}

func (m *message) read() (proto.Message, error) {
	if m == nil {
		return nil, nil
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Type)
	if err != nil {
		return nil, err
	}
	value := kind.New().Interface()
	return value, protojson.Unmarshal(m.Value, value)
}
