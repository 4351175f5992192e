package gateway

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// soOriginalDst asks the kernel's connection tracking where a redirected connection was going
// (SO_ORIGINAL_DST of linux/netfilter_ipv4.h).
const soOriginalDst = 80

// originalDestination returns the address a client dialled before the kernel sent it here. A connection
// that was dialled to this very door has no other destination and is refused: forwarding it would loop.
func originalDestination(conn net.Conn) (string, error) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return "", fmt.Errorf("reading the original destination: %w", err)
	}
	var found [16]byte
	var asked error
	err = raw.Control(func(fd uintptr) {
		// The answer is a sockaddr_in: family, port in network order, address. This call happens to
		// return as many bytes, untouched.
		mreq, err := unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, soOriginalDst)
		if asked = err; err == nil {
			found = mreq.Multiaddr
		}
	})
	if err != nil || asked != nil {
		return "", fmt.Errorf("reading the original destination: %w", firstOf(err, asked))
	}
	port := binary.BigEndian.Uint16(found[2:4])
	destination := netip.AddrPortFrom(netip.AddrFrom4([4]byte(found[4:8])), port).String()
	if destination == conn.LocalAddr().String() {
		return "", fmt.Errorf("%q was dialled directly", destination)
	}
	return destination, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
