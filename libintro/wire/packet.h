/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message in one packet, over a connected SOCK_SEQPACKET socket, never blocking whatever
 * the flags of the (possibly shared) file description say.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "protocol.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83	/* unix(7), Linux 6.16 */
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77		/* unix(7), Linux 6.5 */
#endif

/* The most descriptors that the kernel puts into one message (SCM_MAX_FD). */
#define PACKET_FDS_MAX 253u

/* Send len bytes and nfds descriptors (borrowed; 0 to WIRE_BATCH_MAX). 0 or a negative errno:
 * -EAGAIN queue full, -EPERM the receiver takes no descriptors, -ETOOMANYREFS. */
int packet_send(int sock, const void *buf, size_t len, const int *fds, size_t nfds);

/* Receive one packet of at most WIRE_PACKET_MAX bytes into buf, which has that size, and at
 * most max descriptors into fds, which the caller then owns (close-on-exec).
 * Returns the length in bytes, 0 at end-of-file, or a negative errno: -EAGAIN; -EMSGSIZE
 * (larger than buf: discarded); -EMFILE (our descriptor table was full: what came is lost);
 * -EPROTO (more descriptors than max: all are closed). ret_nfds is written on success. */
ssize_t packet_recv(int sock, void *buf, int *fds, size_t max, size_t *ret_nfds);

/* Receive one packet as packet_recv() does, where none can bring a descriptor (the switch has
 * SO_PASSRIGHTS off). Its whole length, of which no more than WIRE_PACKET_MAX bytes are in buf. */
ssize_t packet_take_plain(int sock, void *buf);

/* As packet_recv(), with nothing judged or closed: ret_flags are recvmsg(2)'s, and whatever
 * descriptors came (max up to PACKET_FDS_MAX) are the caller's. For a receiver that must not
 * close them itself, since that can block. */
ssize_t packet_take(int sock, void *buf, int *fds, size_t max, size_t *ret_nfds,
		    int *ret_flags);
