/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel between the parent and the switch: a SOCK_SEQPACKET pair, the same codec, at
 * most one descriptor a message. Trusted by both only as far as this table goes:
 *
 * The parent keeps, for the switch, entries of (id, opaque bytes, optional listener) and gives
 * them all back, in order, to the next switch. It never looks inside them, and holds the
 * listeners unread, so that a switch which dies leaves no gap.
 *
 * parent to switch: ENTRY* (what was kept), CONFIG* CONFIG_END, AUDIT, then START. Later:
 * CONFIG* CONFIG_END (SIGHUP), AUDIT (log reopened), STOP.
 * switch to parent: KEEP, FORGET, READY, IDLE, LOG.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "../libintro/wire/message.h"

enum channel_type {
	/* parent to switch */
	CHANNEL_ENTRY = WIRE_ROOM, /* TAG_ENTRY, [TAG_MESSAGES]; [fd] */
	CHANNEL_CONFIG,		   /* TAG_MESSAGES: one administration message (DOOR_ADD, GRANT,
				    * LIMIT, or PLACE whose directory is the fd); TAG_ENTRY: of
				    * which configuration, counted up each time one is read */
	CHANNEL_CONFIG_END,	   /* TAG_ENTRY: as above. Doors, grants and limits of an earlier
				    * configuration that were not named again are removed */
	CHANNEL_AUDIT,		   /* fd: where audit lines go, as one write() per flush;
				    * TAG_WHAT: enum audit_kind */
	CHANNEL_START,		   /* begin to serve clients; TAG_WHAT: 1 where there may be sturdy
				    * references */
	CHANNEL_STOP,		   /* unlink the sockets and exit 0 */
	CHANNEL_STORE,		   /* after WANT_STORE: fd: the switch's end of a channel to a new
				    * store room, or ERROR */
	/* switch to parent */
	CHANNEL_KEEP = WIRE_ROOM + 16, /* TAG_ENTRY, [TAG_MESSAGES]; [fd]: replaces the entry */
	CHANNEL_FORGET,		       /* TAG_ENTRY */
	CHANNEL_READY,		       /* every listener is up */
	CHANNEL_IDLE,		       /* nothing left to do (user mode, --idle-exit) */
	CHANNEL_LOG,		       /* TAG_TEXT: a line for the operator */
	CHANNEL_WANT_STORE,	       /* start a store room, in place of one that there may be */
};

/*
 * The channel between the switch and the store room: the same, without descriptors. The store
 * answers each request, in their order, by a STORE_REPLY with its serial: ERROR, or what stands
 * with the request. A reference that is saved has a number of its own there, its ENTRY.
 */
enum store_type {
	/* switch to store */
	STORE_SAVE = WIRE_ROOM + 32, /* terms: RIGHTS, [LIFETIME], [USES], [SESSIONS], [LEASH],
				      * [LABEL], [OWNER], TEXT (who made it), SERVICE; its
				      * parent: ENTRY, or RECIPIENT (the serial of an earlier
				      * SAVE), or neither: the grant NAME in DOOR, or the SERVICE
				      * itself; DIRECTORY: with a URI, which names the door
				      * there; MAX_REFERENCES: that its maker's door and uid may
				      * have saved. Reply: ENTRY, [URI] */
	STORE_FIND,		     /* URI, [DOOR]: who asks. A STORE_ROW for each from the one
				      * that hangs from a grant or service, then Reply: ENTRY.
				      * Unknown, expired and sealed to another are all ENOENT */
	STORE_RESERVE,		     /* ENTRY, USES. Reply: USES, durably taken off the rest */
	STORE_RETURN,		     /* ENTRY, USES. Reply */
	STORE_REVOKE,		     /* ENTRY; or NAME, DOOR: all from that grant; or SERVICE: all
				      * from that service itself. Reply, when that is durable */
	/* store to switch */
	STORE_REPLY = WIRE_ROOM + 48,
	STORE_ROW,		     /* serial; the tags of SAVE, with its ENTRY as ENTRY, and as
				      * PARENT that of its parent (0: an anchor) */
	STORE_FAILED,		     /* ERROR, TEXT: it cannot work, and ends */
};

enum audit_kind { AUDIT_NONE, AUDIT_FILE, AUDIT_SYSLOG };

/* Entry ids: what the switch keeps. The parent keeps the first two itself when the service
 * manager passes it listeners (LISTEN_FDNAMES=control, host). */
#define CHANNEL_ENTRY_CONTROL 1u
#define CHANNEL_ENTRY_HOST 2u
#define CHANNEL_ENTRY_FIRST 16u	/* doors and grants made at run time, counted up from here */

/* The switch is exec'd as "introd --room=switch" with these descriptors, in this order. */
#define CHANNEL_FD 3		/* its end of the channel */
#define CHANNEL_BASE_FD 4	/* the broker's directory (0700, owned by the switch) */
#define CHANNEL_HOST_FD 5	/* the host door's directory */

/* The store room is exec'd as "introd-store", with the channel as 3. */
#define CHANNEL_STATE_FD 4	/* the directory of its files (0700, its own) */

/* Send one message (fd borrowed, -1: none), blocking: siblings always read. 0 or negative
 * errno. packet is what wire_finish() completed. */
int channel_send(int sock, const void *packet, size_t len, int fd);

/* Receive one, blocking unless flags has MSG_DONTWAIT. The length in bytes, 0 at end-of-file,
 * or a negative errno; *ret_fd is -1 or the caller's. */
ssize_t channel_recv(int sock, void *buf, int flags, int *ret_fd);
