package load

import (
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
)

// An h2stream is a request in flight.
type h2stream struct {
	id     uint32
	window int64 // bytes that the server still takes
	reply  reply
	ended  bool
}

// step reads one frame and does what it says. s is the stream in flight, nil for
// none. The error is errTurnedAway where the frame says so.
func (w *h2wire) step(s *h2stream) error {
	frame, err := w.framer.ReadFrame()
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch f := frame.(type) {
	// An acknowledgement that cannot be written is no error yet: what the server
	// said before it stopped listening comes with the next frames.
	case *http2.SettingsFrame:
		if !f.IsAck() {
			w.settings(s, f)
			_ = w.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = w.framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		w.away = true
		if s != nil && s.id > f.LastStreamID {
			return fmt.Errorf("%w: the server goes away after stream %d, with %s", errTurnedAway, f.LastStreamID, f.ErrCode)
		}
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			w.window += int64(f.Increment)
		}
	}
	if s == nil || frame.Header().StreamID != s.id {
		return nil
	}
	return s.take(frame)
}

// take does what a frame of the stream's own says.
func (s *h2stream) take(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.WindowUpdateFrame:
		s.window += int64(f.Increment)
	case *http2.MetaHeadersFrame:
		if status := f.PseudoValue("status"); !s.reply.begun && status >= "200" { // no 100 Continue, no trailer
			s.reply = replyOf(f)
		}
		s.ended = f.StreamEnded()
	case *http2.DataFrame:
		if s.reply.body = append(s.reply.body, f.Data()...); len(s.reply.body) > mostBody {
			return fmt.Errorf("reading the answer's body: longer than %d bytes", mostBody)
		}
		s.ended = f.StreamEnded()
	case *http2.RSTStreamFrame:
		if f.ErrCode == http2.ErrCodeRefusedStream {
			return fmt.Errorf("%w: the server refuses stream %d", errTurnedAway, s.id)
		}
		return fmt.Errorf("%w: with %s", errStreamReset, f.ErrCode)
	}
	return nil
}

func replyOf(f *http2.MetaHeadersFrame) reply {
	r := reply{begun: true}
	r.status, _ = strconv.Atoi(f.PseudoValue("status")) // 0 is as wrong as no number
	for _, field := range f.RegularFields() {
		switch field.Name {
		case "x-load-id":
			r.id = field.Value
		case "x-version":
			r.version = field.Value
		}
	}
	return r
}

func (w *h2wire) settings(s *h2stream, f *http2.SettingsFrame) {
	w.settled = true
	if size, ok := f.Value(http2.SettingInitialWindowSize); ok {
		if s != nil {
			s.window += int64(size) - w.perStream
		}
		w.perStream = int64(size)
	}
	if size, ok := f.Value(http2.SettingMaxFrameSize); ok {
		w.frame = size
	}
	if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
		w.encoder.SetMaxDynamicTableSizeLimit(size)
	}
}
