package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// patience is how long a connection waits for an answer: well beyond the time in
// which every answer is due (DESIGN §3).
const patience = 15 * time.Second

// connection is one HTTP/1.1 connection. It speaks no more HTTP than it needs:
// what the sender costs, the endpoint on the same machine does not have.
type connection struct {
	net.Conn
	in  *bufio.Reader
	out []byte
}

var errAnswer = errors.New("load: answer is no HTTP/1.1")

func dial(ctx context.Context, addr string) (*connection, error) {
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &connection{Conn: c, in: bufio.NewReaderSize(c, 1<<10)}, nil
}

// post sends p's next POST and returns the status code of its answer. closing: the
// endpoint ends the connection.
func (c *connection) post(p *Posts) (code int, closing bool, err error) {
	const digits = 10
	c.out = append(c.out[:0], "POST /graph/notifications HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nContent-Length: 0000000000\r\n\r\n"...)
	head := len(c.out)
	c.out = p.append(c.out)
	length := strconv.AppendInt(make([]byte, 0, digits), int64(len(c.out)-head), 10)
	copy(c.out[head-len("\r\n\r\n")-len(length):], length)
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, true, fmt.Errorf("send: %w", err)
	}
	if _, err := c.Write(c.out); err != nil {
		return 0, true, fmt.Errorf("send: %w", err)
	}
	return c.answer()
}

// answer reads one answer.
func (c *connection) answer() (code int, closing bool, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, true, fmt.Errorf("read answer: %w", err)
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) || len(line) < len("HTTP/1.1 200") {
		return 0, true, errAnswer
	}
	code, err = strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, true, errAnswer
	}
	length := 0
	for {
		line, err = c.in.ReadSlice('\n')
		if err != nil {
			return 0, true, fmt.Errorf("read answer: %w", err)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, true, errAnswer
			}
		case bytes.EqualFold(name, []byte("Connection")):
			closing = bytes.EqualFold(value, []byte("close"))
		}
	}
	if _, err := c.in.Discard(length); err != nil {
		return 0, true, fmt.Errorf("read answer: %w", err)
	}
	return code, closing, nil
}
