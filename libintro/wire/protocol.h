/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire protocol's numbers: every message and every tag, once.
 * Shared by libintro, the broker and the command line. intro-protocol(7) explains
 * each of them well enough to write a client without this file.
 *
 * AF_UNIX SOCK_SEQPACKET, one message per packet. Beside each message stands what
 * travels with it: "ref" is the header's reference, "fd" its one descriptor.
 */
#pragma once

#include <stdint.h>

#define WIRE_VERSION 1u
#define WIRE_HEADER_BYTES 12u
#define WIRE_TLV_BYTES 4u
#define WIRE_PACKET_MAX 4096u	/* bytes; one page, so that no length needs thought */
#define WIRE_NAME_MAX 64u	/* bytes; a door's file names stay below sun_path */
#define WIRE_LABEL_MAX 128u
#define WIRE_TEXT_MAX 1024u
#define WIRE_GIFT_BYTES 32u
#define WIRE_ENCLOSED_MAX 64u	/* names in one ENCLOSE */
#define WIRE_BATCH_MAX 16u	/* descriptors in one BATCH, when the service asked for it */
#define WIRE_ERRNO_MAX 4095	/* ERROR is a negative errno, none below minus this */

enum wire_type {
	/* client to broker, through a door */
	WIRE_FIND = 1,	 /* ref: a handle to bind; NAME. Reply. */
	WIRE_CONNECT,	 /* ref: a bound handle, else NAME; [SOCKTYPE], [WAIT]. Reply + fd:
			  * SESSION, PATH, WAY. With WAY placed the fd is an O_PATH one of the
			  * server's socket and the client connects to it itself. */
	WIRE_SERVE,	 /* ref: a handle to bind; NAME; [WAY] pair or fetch, [BATCH],
			  * [USERNS], [SOCKTYPES]. Reply. */
	WIRE_PLACE,	 /* ref: a handle to bind; NAME, FILE; fd: O_PATH of FILE's directory.
			  * Reply. */
	WIRE_HOLD,	 /* NAME; fd: what to keep. Reply. */
	WIRE_TAKE,	 /* NAME. Reply + fd; the name no longer holds it. */
	WIRE_LISTENERS,	 /* ref: a handle that serves. One LISTENER + fd for each door that
			  * grants the name, then Reply. The broker never accepts there again. */
	WIRE_DROP,	 /* ref: a bound handle. No reply; a served name is withdrawn. */
	WIRE_ALLOW,	 /* Reply, after which this connection may send descriptors. */
	WIRE_SHARE,	 /* Reply, after which this connection takes JOIN and nothing else, so
			  * that a process tree can share it (INTRO_DOOR=fd:N). */
	WIRE_JOIN,	 /* fd: one end of the sender's own socketpair, which becomes a
			  * connection of its own to the same door. No reply here. */
	WIRE_CANCEL,	 /* serial: of a request that waits. It is answered -ECANCELED. */
	WIRE_FETCHED,	 /* serial: the FETCH's; fd: the opened socket, or ERROR. No reply. */
	WIRE_ATTEST,	 /* SESSION, introduced to us. Reply + fd: the client's pidfd. */
	WIRE_LEND,	 /* ref: a handle to bind to a new child; of PARENT, a bound handle, else
			  * of NAME; terms. Reply: REFERENCE. */
	WIRE_REVOKE,	 /* ref: a bound handle. Reply, after which nothing is introduced by its
			  * reference, or by one made from it, any more. */
	WIRE_ENCLOSE,	 /* MESSAGES: up to 64 LENDs, each preceded by its length (u16), of the
			  * bound handle in their ref, as NAME; fd: one end of the sender's own
			  * socketpair, which becomes a shared connection (SHARE) to these names
			  * and nothing else. Reply. */
	WIRE_STAT,	 /* ref: a bound handle. Reply: its terms, REFERENCE, PROVENANCE */
	WIRE_SAME,	 /* ref, PARENT: bound handles. Reply: VERDICT, 0 where both designate the
			  * same service, else 1 */
	WIRE_GIVE,	 /* ref: a bound handle; terms; RECIPIENT or DOOR; [WAIT]. Reply: GIFT */
	WIRE_CLAIM,	 /* ref: a handle to bind; GIFT. Reply: REFERENCE */
	WIRE_SAVE,	 /* ref: a bound handle; terms; [OWNER]. Reply: URI. This connection is not read
			  * until it is answered */
	WIRE_RESTORE,	 /* ref: a handle to bind; URI. Reply: REFERENCE. As SAVE */

	/* broker to client */
	WIRE_REPLY = 32, /* serial: the request's, or 0: the connection is not accepted; [ERROR],
			  * else the request has succeeded */
	WIRE_INCOMING,	 /* ref: the served handle; fd: the connected socket. SESSION, SOCKTYPE,
			  * WAY, PATH, DOOR, [LABEL], [UID], [PID], [PIDFD_INODE] */
	WIRE_FETCH,	 /* as INCOMING without fd; serial: to be answered by FETCHED */
	WIRE_LISTENER,	 /* serial: the LISTENERS's; DOOR, FILE; fd: the door's listener */
	WIRE_BROKEN,	 /* ref: it is dead; ERROR says why */
	WIRE_BATCH,	 /* MESSAGES: up to BATCH INCOMING messages, each preceded by its length
			  * (u16); the packet's descriptors are theirs, in order */

	/* administration, only on control.sock */
	WIRE_DOOR_ADD = 64, /* DOOR; [EXPORT]; [OPEN]; limits. Reply: DIRECTORY, [EXPORT_DIRECTORY] */
	WIRE_DOOR_REMOVE,   /* DOOR. Reply. */
	WIRE_GRANT,	    /* DOOR, NAME; [SERVICE], [FILE], [RIGHTS], [LIFETIME], [USES],
			     * [LABEL]. Reply. */
	WIRE_UNGRANT,	    /* DOOR, NAME. Reply. */
	WIRE_LIMIT,	    /* [DOOR] or [UID], else the broker's defaults; limits. Reply. */
	WIRE_LIST,	    /* WHAT, [DOOR], [NAME]. Any number of ROW, then Reply. */
	WIRE_WATCH,	    /* Reply; from then on an EVENT for each decision. */
	WIRE_WHY,	    /* DOOR, NAME; [RIGHTS]. Reply: VERDICT, REASON, [ADVICE] */
	WIRE_ROW = 80,	    /* serial: the LIST's; the tags of one thing listed */
	WIRE_EVENT,	    /* serial: the WATCH's; TEXT: an audit line; [DROPPED] */

	/* between the parent and the switch, only on their channel: broker/channel.h */
	WIRE_ROOM = 128,
};

/* Tags, in the order in which they stand in a message. The type on the wire is this number,
 * with WIRE_CRITICAL set where a receiver that does not know it must refuse the message. */
#define WIRE_CRITICAL 0x8000u

enum wire_tag {
	TAG_ERROR = 1,	/* i32: a negative errno */
	TAG_NAME,	/* string: a name inside the connection's door */
	TAG_SOCKTYPE,	/* u32: SOCK_STREAM (absent: this), SOCK_DGRAM or SOCK_SEQPACKET */
	TAG_SOCKTYPES,	/* u32: bit (1 << SOCK_x) for each type served; absent: stream */
	TAG_WAIT,	/* u64: microseconds to wait for the name to be granted and served */
	TAG_WAY,	/* u32: enum wire_way */
	TAG_PATH,	/* u32: enum wire_path */
	TAG_BATCH,	/* u32: descriptors the service takes in one packet, 1..16 */
	TAG_USERNS,	/* u64: inode of the service's /proc/self/ns/user */
	TAG_SESSION,	/* u64 */
	TAG_DOOR,	/* string: a door's name */
	TAG_LABEL,	/* string: the labels of the reference used, outermost first */
	TAG_UID,	/* u32: the client's, attested by the kernel */
	TAG_PID,	/* u32: the client's, in the broker's pid namespace */
	TAG_PIDFD_INODE, /* u64: st_ino of the client's pidfd; unique for a boot */
	TAG_FILE,	/* string: one path component */
	TAG_MESSAGES,	/* bytes */
	TAG_SERVICE,	/* string: the broker-wide name of a service */
	TAG_RIGHTS,	/* u32: enum wire_right bits */
	TAG_LIFETIME,	/* u64: microseconds from now */
	TAG_USES,	/* u32: introductions */
	TAG_SESSIONS,	/* u32: sessions at once */
	TAG_LEASH,	/* u32: 1: live sessions are cut when the reference is revoked */
	TAG_OWNER,	/* string: the one door that may use it */
	TAG_PARENT,	/* u64: what a reference is made from: a handle; listed, a REFERENCE */
	TAG_REFERENCE,	/* u64: names a reference while the broker lives; gives no right to it */
	TAG_RECIPIENT,	/* u32: a bound handle: whoever serves that now */
	TAG_GIFT,	/* bytes, 32: designates a gift, to its recipient only */
	TAG_PROVENANCE,	/* string: who made it from what, the service first, a line each */
	TAG_URI,	/* string: a sturdy reference; a secret */
	TAG_EXPORT,	/* u32: 1: the door has a directory to put server sockets in */
	TAG_OPEN,	/* u32: 1: the door sees every service and may serve any name */
	TAG_DIRECTORY,	/* string: absolute path */
	TAG_EXPORT_DIRECTORY, /* string: absolute path */
	TAG_MAX_CONNECTIONS,  /* u32: limits, of a door or of a uid; */
	TAG_MAX_NAMES,	      /* u32: 0 takes nothing at all */
	TAG_MAX_HELD,	      /* u32: descriptors kept for others */
	TAG_MAX_FLIGHT,	      /* u32: descriptors sent and not yet received */
	TAG_MAX_WAITS,	      /* u32: requests waiting for a name or an agent */
	TAG_MAX_REFERENCES,   /* u32: made for others: lent, given; and sessions counted for them */
	TAG_CONNECTIONS,      /* u32: the same six, in use now */
	TAG_NAMES,	      /* u32 */
	TAG_HELD,	      /* u32 */
	TAG_FLIGHT,	      /* u32 */
	TAG_WAITS,	      /* u32 */
	TAG_REFERENCES,	      /* u32 */
	TAG_LIVE,	      /* u32: sessions now */
	TAG_QUEUED_BYTES,     /* u64: bytes sent and not yet received */
	TAG_INTRODUCTIONS,    /* u64: made since the broker's start */
	TAG_REFUSALS,	      /* u64 */
	TAG_WHAT,	/* u32: enum wire_what */
	TAG_STATE,	/* u32: enum wire_state */
	TAG_EXPIRES,	/* u64: microseconds left; absent: never */
	TAG_ORIGIN,	/* u32: 1 from the configuration file, 2 made at run time, 3 built in */
	TAG_VERDICT,	/* u32: 0 would be introduced, else the errno that a client sees */
	TAG_REASON,	/* string: a sentence */
	TAG_ADVICE,	/* string: what would allow it */
	TAG_TEXT,	/* string */
	TAG_DROPPED,	/* u32: events lost because the watcher was slow */
	TAG_ENTRY,	/* u64: an entry of the parent's store (channel only) */
	TAG_END
};

enum wire_way { WAY_LISTEN = 1, WAY_PAIR, WAY_FETCH, WAY_HELD, WAY_PLACED };
enum wire_path { PATH_LOCAL = 1, PATH_SPLICED };
/* To be introduced; to serve; to hand it on to somebody else (GIVE); to have it in a file that
 * outlives the connection; to revoke it, for all who hold it. */
enum wire_right {
	RIGHT_CONNECT = 1,
	RIGHT_SERVE = 2,
	RIGHT_GIVE = 4,
	RIGHT_SAVE = 8,
	RIGHT_REVOKE = 16,
	RIGHTS_ALL = 31,
};
enum wire_what {
	WHAT_SERVICES = 1, WHAT_DOORS, WHAT_GRANTS, WHAT_USAGE, WHAT_STATUS, WHAT_REFERENCES,
};
/* WHAT in a row of WHAT_REFERENCES */
enum wire_kind_of { KIND_OF_SERVICE, KIND_OF_GRANT, KIND_OF_LENT, KIND_OF_GIVEN };
enum wire_state { STATE_DOWN, STATE_SERVED, STATE_HELD, STATE_PLACED };
