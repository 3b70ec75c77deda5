/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro - ask the local broker for a service, get a connected socket.
 *
 * A reference (struct intro_ref) designates a service and is the permission to be introduced
 * to it. A broker introduces: it hands each side one end of a socket and is not in the path.
 *
 * The whole of it for most programs:
 *
 *	int fd = intro_dial("db", SOCK_STREAM, 5000);
 *
 * and for most services:
 *
 *	intro_open(&in, NULL);
 *	intro_serve(in, "db", NULL, &ref);
 *	while (intro_wait(in, 0, -1, &ev) > 0)
 *		if (ev.what == INTRO_INCOMING)
 *			serve(ev.fd);
 *
 * Return values: 0 or positive on success, negative errno on failure. Output parameters
 * (ret_*) are written on success only. Descriptors handed out are close-on-exec and owned by
 * the caller; descriptors passed in stay the caller's, to close whenever it likes. A struct
 * intro and its references belong to one thread at a time, and are dead in a forked child:
 * every call there gives -ECHILD, except intro_close(), which then only frees.
 *
 * Every request is answered by exactly one event, whatever happens, and that event says which
 * (INTRO_LISTENER alone comes any number of times before its INTRO_DONE).
 *
 * A broker that is restarted is not an event: requests without an answer are asked again and
 * references are bound again. Only what the new broker refuses is reported. When "fd:N" has
 * lost its broker there is no way back: everything fails with -ECONNRESET.
 */
#ifndef INTRO_H
#define INTRO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct intro;			/* a connection to a broker */
struct intro_ref;		/* a live reference, held through that connection */

enum intro_what {
	INTRO_CONNECTED = 1,	/* our intro_connect(), _take() or _attest(): fd */
	INTRO_DONE,		/* our intro_serve(), _place(), _hold(), _lend(), _revoke(), _give(),
				 * _claim(), _same() or _stat() was accepted; _enclose(): fd */
	INTRO_REFUSED,		/* our request failed for good: error */
	INTRO_INCOMING,		/* someone was introduced to a service of ours: fd */
	INTRO_FETCH,		/* someone asks for a socket: open one, intro_answer() it */
	INTRO_LISTENER,		/* a door's listener (intro_listeners()): fd, door, file */
	INTRO_BROKEN,		/* a reference is dead: ref, error says why */
};

/* How the bytes of a session travel. Never changes silently. */
enum intro_path { INTRO_LOCAL = 1, INTRO_SPLICED };

/* Who made the socket, and how: see introd(8). */
enum intro_way {
	INTRO_WAY_LISTEN = 1,	/* accepted from the name's socket in a door */
	INTRO_WAY_PAIR,		/* a socketpair made by the broker */
	INTRO_WAY_FETCH,	/* opened by the service's agent */
	INTRO_WAY_HELD,		/* a descriptor deposited earlier */
	INTRO_WAY_PLACED,	/* connected by this library to the server's own socket */
};

struct intro_event {
	enum intro_what what;
	int error;		/* 0 or negative errno */
	int request;		/* what the causing call returned; for FETCH: to be answered */
	int fd;			/* -1, or a descriptor that is now the caller's */
	int type;		/* SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM; 0: no socket */
	uint64_t session;	/* names one introduction; never used again */
	enum intro_path path;
	enum intro_way way;
	struct intro_ref *ref;	/* used, served or broken; borrowed; NULL where there is none */
	char door[72];		/* INCOMING, FETCH: the door through which the client came */
	char label[136];	/* INCOMING, FETCH: the labels of the reference it used */
	char file[72];		/* LISTENER: the socket's file name in its door */
	char gift[72];		/* DONE of intro_give(): the gift, to be told to its recipient */
	int same;		/* DONE of intro_same(): 1 the same service, else 0 */
	int leashed;		/* INCOMING: shutdown(2) it at its end, since it may be cut */
	int64_t uid;		/* INCOMING, FETCH: attested by the kernel; -1 when broker */
	int64_t pid;		/* and service do not share a user namespace, or unknown */
	uint64_t pidfd_inode;	/* 0 when unknown; names the process for this boot */
};

/* Names in a path: brokers that an introduction may lead through, and the service. */
#define INTRO_HOPS_MAX 8

/* One call: be introduced to NAME through the door of intro_open(NULL) and return the
 * connected descriptor. NAME may be a path a/b/c: then a is an introducer, which gives a
 * connection to another broker's door; that is asked for b, and so on, one round trip each.
 * Nothing but the socket to the service is left in the end. Waits up to timeout_ms (-1: for ever) for the broker, the name and
 * the service together; with 0 it waits for none of them, only for its answer (a second at
 * the most). Thread-safe; holds nothing afterwards.
 * -ENOENT no such name in this door; -ECONNREFUSED granted, but nobody serves it now;
 * -ETIMEDOUT; -EPROTOTYPE the service is not of this type; -EDQUOT a limit of this door or
 * uid is reached; -ENOTCONN no broker found; -EACCES its socket may not be opened;
 * -ECONNRESET the broker ends the connection; -EINVAL not a name, or not a type. */
int intro_dial(const char *name, int type, int timeout_ms);

/* A connection to a broker. door: a door's directory, a socket in it, "fd:N" (an inherited
 * connection that a whole process tree may share), or NULL: $INTRO_DOOR, else the user's
 * broker ($XDG_RUNTIME_DIR/introd/doors/host), else the system's (/run/intro).
 * Does not block: an unreachable broker is retried while requests wait for it.
 * -ENOTCONN when there is no broker to be found; -EINVAL; -EBADF for an N that is not from
 * intro_share(); -ENOTSOCK; -EACCES. */
int intro_open(struct intro **ret, const char *door);

/* Ends the connection and frees it with all its references and undelivered events (their
 * descriptors are closed). Always NULL. */
struct intro *intro_close(struct intro *in);

/* Event loop: poll intro_fd() for POLLIN, then dispatch, then take events until there are no
 * more. Nothing here blocks. intro_fd() stays the same over the connection's life.
 * Dispatch: -EMFILE a descriptor was lost, since our table is full (requests that wait for
 * one are then refused); -ENOMEM an event was. The connection goes on in both cases. */
int intro_fd(const struct intro *in);
int intro_dispatch(struct intro *in);

/* Take the next event: 1, 0 when there is none, or a negative errno. */
int intro_next(struct intro *in, struct intro_event *ret);

/* Wait for the event that answers request (0: any event) and take it, leaving others queued.
 * 1, 0 after timeout_ms, or a negative errno: as intro_dispatch(), or -ENOENT no such request
 * waits, -ENOBUFS too many other events were left, -ECONNRESET there is nothing to wait for
 * any more. Signals do not end it. A loop over the three calls above. */
int intro_wait(struct intro *in, int request, int timeout_ms, struct intro_event *ret);

/* A reference to NAME. Costs no round trip: it can be used at once, and if the door does not
 * grant the name, INTRO_BROKEN follows (and -ENOENT for the requests made on it, but those
 * that may wait: the name may come). A broken reference is of no use but to be released.
 * 0 or a negative errno: -EINVAL not a name; -ENOBUFS too much waits to be sent already, so
 * dispatch first (this holds for every call that sends something). */
int intro_find(struct intro *in, const char *name, struct intro_ref **ret);

/* Release a reference; a name served through it is withdrawn. Its requests without an answer
 * are answered -ECANCELED; what came for it and was not taken yet is dropped. Always NULL. */
struct intro_ref *intro_unref(struct intro_ref *ref);

/* The name a reference was made with, borrowed. */
const char *intro_ref_name(const struct intro_ref *ref);

/* Be introduced. Waits up to wait_ms for the name to be served (-1: for ever, 0: not at all).
 * A request: returns its number, answered by INTRO_CONNECTED or INTRO_REFUSED. */
int intro_connect(struct intro_ref *ref, int type, int wait_ms);

/* Give up a request: it is answered INTRO_REFUSED, -ECANCELED, unless the answer was already
 * on its way. 0, or -ENOENT when it was answered. */
int intro_cancel(struct intro *in, int request);

/* How a service wants to be reached. Zeroed is a good choice. */
struct intro_service {
	unsigned int types;	/* bits (1 << SOCK_x); 0 is SOCK_STREAM alone */
	int fetch;		/* 1: answer INTRO_FETCH with a socket of one's own making,
				 * instead of taking INTRO_INCOMING */
	int batch;		/* INCOMINGs that may come in one packet, 1 to 16: fewer system
				 * calls under load. 0 is 1 */
	int leash;		/* 1: a promise to shutdown(2) both directions of each leashed
				 * session at its end, before it is closed. Without it references
				 * with a leash are refused, since their clients would never see
				 * the end: the broker has a copy of the socket */
};

/* Offer a service under NAME, which the door must allow. options may be NULL.
 * A request, answered by INTRO_DONE or INTRO_REFUSED (-ENOENT the door may not serve this
 * name; -EBUSY it is being served; -EDQUOT). ret may not be NULL. */
int intro_serve(struct intro *in, const char *name, const struct intro_service *options,
		struct intro_ref **ret);

/* Answer an INTRO_FETCH: fd (borrowed: the caller closes its own) or a negative errno.
 * 0; -ENOENT nobody waits for it any more; or why fd cannot be sent, and then the client is
 * told of that error. */
int intro_answer(struct intro *in, int request, int fd);

/* Offer a server's own socket under NAME: the broker links the file into each granted door
 * and follows it when the server makes a new one. dirfd: an O_PATH descriptor of the
 * directory; file: one path component. A request as intro_serve().
 * -EXDEV: the directory is not on the doors' filesystem (use the door's export directory). */
int intro_place(struct intro *in, const char *name, int dirfd, const char *file,
		struct intro_ref **ret);

/* The listeners of every door that grants a served name, to be accepted on by a program that
 * knows nothing of us: one INTRO_LISTENER each, then INTRO_DONE. The broker neither sees nor
 * counts those connections. A request. */
int intro_listeners(struct intro_ref *ref);

/* Deposit fd under NAME, to be handed out to whoever connects; it outlives us. Take it back
 * out. Requests. */
int intro_hold(struct intro *in, const char *name, int fd);
int intro_take(struct intro *in, const char *name);

/* The pidfd of the client of a session that we were introduced to on this connection. A
 * request, answered by INTRO_CONNECTED (its fd) or INTRO_REFUSED (-ESRCH). */
int intro_attest(struct intro *in, uint64_t session);

/* What a reference permits; a child has none that its parent has not. */
enum intro_right {
	INTRO_MAY_CONNECT = 1,	/* to be introduced */
	INTRO_MAY_SERVE = 2,
	INTRO_MAY_GIVE = 4,	/* to hand it on: intro_give() */
	INTRO_MAY_SAVE = 8,	/* to keep it in a file */
	INTRO_MAY_REVOKE = 16,	/* to revoke it for all who hold it */
};

/* What narrows a child. Zeroed, it is as wide as its parent; more than the parent's is the
 * parent's. */
struct intro_terms {
	unsigned int rights;	/* enum intro_right bits; 0: all that the parent has */
	int64_t lifetime_ms;	/* from now; 0: to the parent's end */
	unsigned int uses;	/* introductions; 0: any number */
	unsigned int sessions;	/* at once; 0: any number */
	int leash;		/* 1: live sessions end with the reference */
	const char *label;	/* told to the service and logged, behind the parent's; or NULL */
};

/* Make a narrower child of a reference (terms may be NULL). It lives for as long as somebody
 * holds it or what was made from it, and does not survive a broker's restart: INTRO_BROKEN,
 * -ECONNRESET. A request, answered by INTRO_DONE or INTRO_REFUSED: -EACCES nothing would be left
 * of the rights; -EDQUOT; -ELOOP too far from the service; -ENAMETOOLONG the labels together;
 * -EOPNOTSUPP this kernel does not tell of sessions' ends; -EINVAL. */
int intro_lend(struct intro_ref *ref, const struct intro_terms *terms, struct intro_ref **ret);

/* Take a reference back, with all that was made from it, wherever that is now: those that this
 * connection has lent, and others that permit it. Once it is answered, nothing under it is
 * introduced any more, and what has a leash is cut. A request; every holder is told once
 * (INTRO_BROKEN, -EKEYREVOKED), we too. -EACCES; -EPERM it is a service itself. */
int intro_revoke(struct intro_ref *ref);

/* Names that an enclosure has: each a reference under a name in it, narrowed by terms. */
struct intro_enclosed {
	const char *name;
	struct intro_ref *ref;
	const struct intro_terms *terms;	/* or NULL */
};

/* A descriptor for INTRO_DOOR=fd:N through which these names can be reached and nothing else,
 * by whatever process inherits it or is sent it, with all its children. At most 64 names, as
 * far as they fit into 4 KiB together. A request, answered by INTRO_DONE with the descriptor. */
int intro_enclose(struct intro *in, const struct intro_enclosed *names, size_t n);

/* Provide a reference for another party: whoever serves recipient now, or whoever comes through
 * the door of that name. The event's gift is to be told to it, by any means; nobody else can
 * use it. It is good once, for wait_ms (-1: a day). The recipient gets a child of ref, by these
 * terms (or NULL).
 * Requests. -EACCES ref does not permit it; -ECONNREFUSED nobody serves recipient. */
int intro_give(struct intro_ref *ref, const struct intro_terms *terms,
	       struct intro_ref *recipient, int wait_ms);
int intro_give_door(struct intro_ref *ref, const struct intro_terms *terms, const char *door,
		    int wait_ms);

/* Take what was given to us. A request, answered by INTRO_DONE or INTRO_REFUSED: -ENOENT there
 * is no such gift, or not for us; it then stays good for whose it is. */
int intro_claim(struct intro *in, const char *gift, struct intro_ref **ret);

/* Have a reference in a form that outlives its holders and the broker: a child of it by
 * these terms (or NULL), designated by a line of text, whoever has which may use it (owner: only through the door of that name;
 * or NULL). To be kept as a password is: never on a command line, in an environment or a log.
 * A request; after INTRO_DONE intro_ref_uri() has it. -EACCES the reference does not permit it;
 * -EROFS, -ENOSPC, -EUCLEAN, -EIO the broker's store cannot write, or is damaged. */
int intro_save(struct intro_ref *ref, const struct intro_terms *terms, const char *owner);

/* The line that the last intro_save() has got, borrowed until the next one or intro_unref(); NULL:
 * none. */
const char *intro_ref_uri(const struct intro_ref *ref);

/* A saved reference, by its line. Is bound again when the broker was restarted. A request,
 * answered by INTRO_DONE or INTRO_REFUSED: -ENOENT unknown, expired, revoked or somebody else's,
 * which look alike; -EINVAL not such a line. */
int intro_restore(struct intro *in, const char *uri, struct intro_ref **ret);

/* Do two references of one connection designate the same service, whatever ways they came? A
 * request: INTRO_DONE says it in .same. */
int intro_same(struct intro_ref *a, struct intro_ref *b);

/* Learn a reference's terms. A request; after INTRO_DONE intro_ref_info() has them. */
int intro_stat(struct intro_ref *ref);

struct intro_info {
	unsigned int rights;
	int64_t expires_ms;	/* left, when it was asked; -1: no end */
	int64_t uses;		/* left, of it and of all above it; -1: any number */
	int64_t sessions;	/* at once; -1: any number */
	int leash;
	uint64_t number;	/* names it in the audit log, while this broker lives */
	char label[136];	/* the labels of it and of all above it, joined by ">" */
	char provenance[1032];	/* a line for the service and for each hop since: who made it
				 * from the one before. Only the broker writes here */
};

/* What the last intro_stat() has learnt. 0, or -ENODATA. */
int intro_ref_info(const struct intro_ref *ref, struct intro_info *ret);

/* A descriptor for INTRO_DOOR=fd:N: a fresh connection to the same door, which children may
 * share, and with which they can do nothing but open connections of their own. Blocks for
 * one round trip. */
int intro_share(struct intro *in, int *ret_fd);

/* A sentence for a negative errno as this library means it ("no such name in this door").
 * Never NULL; static. */
const char *intro_strerror(int error);

#ifdef __cplusplus
}
#endif

#endif
