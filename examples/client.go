// SPDX-License-Identifier: Apache-2.0

// client NAME [LINE]: asks for the service NAME, sends it a line (PING), prints what it
// answers at once. Written from intro-protocol(7) alone, with the standard library.
//
//	go run client.go redis PING
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	msgConnect, msgJoin, msgReply                          = 2, 11, 32
	tagError, tagName, tagSocktype, tagWait, tagWay uint16 = 1, 2, 3, 5, 6
	wayPlaced                                              = 5
)

var le = binary.LittleEndian

func header(kind uint16, serial uint32, nfds byte) []byte {
	p := make([]byte, 12)
	p[0], p[1] = 1, nfds
	le.PutUint16(p[2:], kind)
	le.PutUint32(p[4:], serial)
	return p
}

func put(p []byte, tag uint16, value []byte) []byte {
	p = le.AppendUint16(p, tag)
	p = le.AppendUint16(p, uint16(len(value)))
	return append(p, value...)
}

func parse(p []byte) (kind uint16, serial uint32, tags map[uint16][]byte, err error) {
	tags = map[uint16][]byte{}
	err = errors.New("the broker speaks another protocol")
	if len(p) < 12 || p[0] != 1 {
		return
	}
	kind, serial = le.Uint16(p[2:]), le.Uint32(p[4:])
	for p = p[12:]; len(p) > 0; {
		if len(p) < 4 || len(p) < 4+int(le.Uint16(p[2:])) {
			return
		}
		length := int(le.Uint16(p[2:]))
		tags[le.Uint16(p)] = p[4 : 4+length]
		p = p[4+length:]
	}
	return kind, serial, tags, nil
}

func isOurs(path string) bool {
	var st syscall.Stat_t
	return syscall.Lstat(path, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR &&
		int(st.Uid) == os.Getuid() && st.Mode&0o022 == 0
}

// doors says where to look for a broker, in this order.
func doors() []string {
	if door := os.Getenv("INTRO_DOOR"); door != "" {
		if st, err := os.Stat(door); err == nil && st.IsDir() {
			door += "/intro.sock"
		}
		return []string{door}
	}
	const host = "/doors/host/intro.sock"
	run := fmt.Sprintf("/run/user/%d", os.Getuid())
	tmp := fmt.Sprintf("/tmp/introd-%d", os.Getuid())
	system := "/run/intro/intro.sock"
	switch xdg := os.Getenv("XDG_RUNTIME_DIR"); {
	case xdg != "":
		return []string{xdg + "/introd" + host, system}
	case isOurs(run):
		return []string{run + "/introd" + host, system}
	case isOurs(tmp):
		return []string{tmp + host, system}
	}
	return []string{system}
}

func connOf(fd int) (*net.UnixConn, error) {
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("not a Unix socket")
	}
	return unix, nil
}

// join makes a connection of our own by one that many processes share.
func join(shared int) (*net.UnixConn, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = syscall.Sendmsg(shared, header(msgJoin, 0, 1), syscall.UnixRights(pair[1]), nil, 0)
	syscall.Close(pair[1])
	if err != nil {
		syscall.Close(pair[0])
		return nil, err
	}
	return connOf(pair[0])
}

func broker() (conn *net.UnixConn, err error) {
	for _, door := range doors() {
		if strings.HasPrefix(door, "fd:") {
			n, err := strconv.Atoi(door[3:])
			if err != nil {
				return nil, err
			}
			return join(n)
		}
		conn, err = net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: door, Net: "unixpacket"})
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// receive returns one packet, and its descriptor or -1.
func receive(conn *net.UnixConn) ([]byte, int, error) {
	packet, control := make([]byte, 4096), make([]byte, syscall.CmsgSpace(4))
	n, nc, flags, _, err := conn.ReadMsgUnix(packet, control)
	if err != nil {
		return nil, -1, err
	}
	if n == 0 {
		return nil, -1, syscall.ECONNRESET
	}
	if flags&syscall.MSG_CTRUNC != 0 {
		return nil, -1, syscall.EMFILE
	}
	messages, err := syscall.ParseSocketControlMessage(control[:nc])
	if err != nil || len(messages) == 0 {
		return packet[:n], -1, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, -1, syscall.EPROTO
	}
	return packet[:n], fds[0], nil
}

// ask is one introduction, over a connection for it alone.
func ask(name string, wait time.Duration) (net.Conn, error) {
	conn, err := broker()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	request := put(header(msgConnect, 1, 0), tagName, []byte(name))
	request = put(request, tagSocktype, le.AppendUint32(nil, syscall.SOCK_STREAM))
	request = put(request, tagWait, le.AppendUint64(nil, uint64(wait.Microseconds())))
	if _, err = conn.Write(request); err != nil {
		return nil, err
	}
	for {
		packet, fd, err := receive(conn)
		if err != nil {
			return nil, err
		}
		kind, serial, tags, err := parse(packet)
		if err != nil {
			return nil, err
		}
		if value, ok := tags[tagError]; ok {
			return nil, syscall.Errno(-int32(le.Uint32(value)))
		}
		if kind != msgReply || serial != 1 {
			continue
		}
		if le.Uint32(tags[tagWay]) != wayPlaced {
			return connOf(fd)
		}
		defer syscall.Close(fd)
		return net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	}
}

// dial asks again while the broker or a placed server is being restarted.
func dial(name string, wait time.Duration) (net.Conn, error) {
	deadline, pause := time.Now().Add(wait), 10*time.Millisecond
	for {
		left := time.Until(deadline)
		if left < 0 {
			left = 0
		}
		conn, err := ask(name, left)
		if err == nil || left == 0 || !(errors.Is(err, syscall.ECONNRESET) ||
			errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EPIPE)) {
			return conn, err
		}
		time.Sleep(pause)
		if pause *= 2; pause > 500*time.Millisecond {
			pause = 500 * time.Millisecond
		}
	}
}

func run(name, line string) error {
	conn, err := dial(name, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A service that only talks may have closed its end already.
	fmt.Fprintf(conn, "%s\r\n", line)
	answer := make([]byte, 512)
	n, err := conn.Read(answer)
	if err == nil {
		_, err = os.Stdout.Write(answer[:n])
	}
	return err
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: client NAME [LINE]")
		os.Exit(100)
	}
	line := "PING"
	if len(os.Args) > 2 {
		line = os.Args[2]
	}
	if err := run(os.Args[1], line); err != nil {
		fmt.Fprintf(os.Stderr, "client: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
