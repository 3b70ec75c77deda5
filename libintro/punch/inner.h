/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine from inside: one struct punch, and what its parts ask of each other. For the files
 * of the engine alone (punch.c, socket.c, gather.c, talk.c, pair.c, check.c, campaign.c, choose.c,
 * keep.c).
 *
 * A generation is one try with one set of main sockets. In each, one end invites (tells its
 * candidates first) and the other opens (sends its openers before it answers), so that the
 * inviter's first full packets find an open NAT and poison none; the next generation swaps.
 */
#pragma once

#include "candidate.h"
#include "etiquette.h"
#include "key.h"
#include "plan.h"
#include "probe.h"
#include "punch.h"
#include "random.h"
#include "relay_leg.h"
#include "replay.h"
#include "signal.h"
#include "stun.h"

#define NEVER UINT64_MAX
#define NO_SOCKET UINT16_MAX

enum { V4, V6, FAMILIES };

/* ---- sockets (socket.c) ---- */

enum socket_state { SOCKET_WANTED = 1, SOCKET_OPEN, SOCKET_CLOSED };

struct local_socket {
	uint8_t state;		/* enum socket_state */
	uint8_t family;
	uint16_t port;
};

struct sockets {
	struct local_socket *list;	/* by number */
	size_t n, size;
};

/* ---- what waits for a STUN answer (gather.c) ---- */

#define ASKS_MAX 8u

struct ask {
	bool active;
	uint8_t id[STUN_ID_BYTES];
	uint16_t socket;
	uint8_t server, tries;
	uint64_t first_us, due_us;
};

struct gather {
	struct ask asks[ASKS_MAX];
	bool going;
	uint64_t limit_us;			/* when it ends with what there is */
	struct address reflexive[FAMILIES];	/* of the main sockets */
	struct address second;			/* what the other server saw */
	uint64_t sampled_us;			/* when nat.last was seen */
	uint16_t probe;				/* a socket that asks for it; NO_SOCKET: none */
	uint32_t rtt_us;			/* the fastest server's */
};

/* ---- pairs: a socket of ours and an address of theirs (pair.c) ---- */

#define PAIRS_MAX 40u

enum pair_state {
	PAIR_HELD,		/* openers only: the other end has not opened yet, as far as we know */
	PAIR_CHECKING,
	PAIR_VALID,
	PAIR_DEAD,
};

struct pair {
	enum pair_state state;
	enum punch_path_kind kind;
	uint16_t socket;
	struct address remote;
	bool early;		/* checks begin before the other end is known to have opened */
	unsigned int checks;	/* since the schedule began */
	unsigned int asked;	/* CHECKs without any answer, of all schedules */
	bool answered;
	uint64_t begun_us, due_us;
	uint64_t triggered_us;	/* when a CHECK of theirs last made us send one */
	uint32_t rtt_us;	/* smoothed; 0: not known */
	unsigned int rtts;
	bool silent;		/* the application sent, and nothing came back */
	bool used;		/* offerer: a CHECK with PROBE_USE was answered */
	uint32_t use_number;	/* answerer: of the last CHECK with PROBE_USE */
	unsigned int padded_tries;
	bool padded_right, padded_failed;
};

/* A CHECK on its way. */
struct sent {
	uint32_t number;
	uint16_t socket;
	bool padded, use;
	struct address to;
	uint8_t echo[PROBE_ECHO_BYTES];
	uint64_t at_us;
};

/* ---- a campaign: a plan being carried out (campaign.c) ---- */

struct campaign {
	struct plan plan;
	bool on;
	bool spraying;		/* it counts as the host's one spray */
	bool waiting;		/* for the host's other spray */
	bool full;		/* full-TTL CHECKs, else openers */
	bool early;		/* full before the other end is known to have opened */
	bool opened;		/* our openers are on their way */
	uint16_t first_socket;
	unsigned int sockets_n, sockets_open;
	uint32_t next, rounds;
	uint32_t probes;	/* full ones sent */
	uint32_t start, step;	/* of the walk through the ports */
	uint64_t begun_us, due_us, over_us;
	struct address target;	/* port: of a fan */
};

/* ---- liveness (keep.c) ---- */

struct keep {
	uint64_t await_us;	/* the first datagram sent that nothing answered; 0: none */
	uint64_t due_us;	/* the next check for being alive */
	uint64_t ask_us;	/* when a STUN server may be asked again */
	unsigned int misses;
	uint64_t lost_us;	/* since when no path works; 0: one does */
	uint64_t again_us;	/* when the pairs are tried anew */
	uint64_t use_us;	/* the next CHECK that says what was chosen */
	uint64_t use_apart_us;
	uint64_t padded_us;	/* the next CHECK as long as data */
	uint64_t beat_us;	/* the next keepalive */
	/* Where their NAT would be spoilt by what we sent from a new mapping before they knew
	 * it, we move to a socket that has sent them nothing. */
	uint16_t spare;		/* NO_SOCKET: none */
	struct address spare_seen;	/* by a server; family 0: not yet */
	bool moved;		/* our main socket is seen elsewhere now */
};

struct punch {
	struct punch_config config;
	struct punch_local locals[PUNCH_LOCALS_MAX];
	size_t locals_n;
	struct random random;
	struct output_queue out;
	struct punch_counters count;
	uint64_t now_us;			/* of the call that is being served */
	uint64_t sent_us[ETIQUETTE_RATE];	/* of the last datagrams, a ring */
	uint32_t sent_n;
	struct sockets sockets;
	uint16_t main[FAMILIES];	/* NO_SOCKET: none */
	struct gather gather;

	uint8_t tag[KEY_TAG_BYTES];
	struct key_pair pair_key;
	uint8_t offer_key[KEY_BYTES];
	struct keys keys;
	bool keyed;
	uint32_t number, signal_number, signal_seen;
	struct replay replay;

	struct nat nat, peer_nat;
	bool peer_low_ports;
	struct candidates mine, theirs;
	struct address observed;	/* the other end's, by the rendezvous */
	uint16_t generation;
	unsigned int tries;		/* generations since a direct path worked */
	/* in this generation: */
	bool invited;			/* their candidates came */
	bool accepted, answered;	/* we are answering; we have */
	bool peer_open;			/* the other end has opened in this generation */
	uint64_t known_us;		/* when both ends' candidates were first known; 0: not */
	uint64_t retry_us;		/* offerer: when the generation counts as failed */
	uint64_t refresh_us, refresh_end_us;	/* when an OFFER is told anew */

	struct relay_leg leg;
	bool has_leg;
	uint16_t leg_socket;	/* stays the same in later generations */
	struct pair pairs[PAIRS_MAX];
	size_t pairs_n;
	uint64_t unanswered_us;		/* when CHECKs that nothing answered are forgotten */
	struct sent *sent;
	uint32_t sent_size;		/* a power of two */
	struct plan plan;		/* of this generation */
	struct campaign campaign;
	struct punch_host own_host;
	struct keep keep;

	struct punch_path path;
	struct pair *chosen;		/* the path's; NULL: none */
	bool connected, over;
	uint32_t packets, ports_tried;
	const char *rung;
};

static inline bool is_offerer(const struct punch *p)
{
	return p->config.role == PUNCH_OFFERER;
}

/* Whether we are the end that invites in the current generation. */
static inline bool is_inviter(const struct punch *p)
{
	return is_offerer(p) == (p->generation % 2 == 0);
}

static inline struct punch_host *host_of(struct punch *p)
{
	return p->config.host ? p->config.host : &p->own_host;
}

static inline void earlier(uint64_t *deadline, uint64_t other)
{
	if (other < *deadline)
		*deadline = other;
}

/* socket.c */
void send_bytes(struct punch *p, uint16_t socket, const struct address *to, uint8_t ttl,
		const void *bytes, size_t len);
/* The number of a new socket, or NO_SOCKET. */
uint16_t socket_want(struct punch *p, unsigned int family, enum output_bind bind);
void socket_close(struct punch *p, uint16_t socket);
bool socket_is_open(const struct punch *p, uint16_t socket);

/* punch.c */
void say(struct punch *p, uint64_t now, struct punch_event *event);
void trying(struct punch *p, uint64_t now, const char *rung);
void fail(struct punch *p, uint64_t now, enum punch_reason reason);

/* gather.c */
void gather_begin(struct punch *p, uint64_t now, bool fresh);
void gather_opened(struct punch *p, uint64_t now);
void gather_timer(struct punch *p, uint64_t now);
uint64_t gather_deadline(const struct punch *p);
/* The probe's socket is open, or is not. */
void gather_probe_opened(struct punch *p, uint64_t now);
/* A sequential NAT's last port is not fresh any more: ask for it anew; true: an answer will
 * come, and talk_sampled() is called. */
bool gather_resample(struct punch *p, uint64_t now);
/* Ask a server what it sees of this socket. */
void gather_ask(struct punch *p, uint64_t now, uint16_t socket, unsigned int server);
/* true: the message was an answer to one of ours. */
bool gather_answer(struct punch *p, uint64_t now, uint16_t socket, const struct address *from,
		   const void *packet, size_t len);
/* Collect our candidates anew. */
void gather_candidates(struct punch *p);

/* talk.c */
void talk_gathered(struct punch *p, uint64_t now);
/* nat.last is fresh again. */
void talk_sampled(struct punch *p, uint64_t now);
void talk_signal(struct punch *p, uint64_t now, const void *bytes, size_t len);
void talk_send(struct punch *p, enum signal_kind kind);
void talk_timer(struct punch *p, uint64_t now);

/* pair.c */
struct pair *pair_find(struct punch *p, uint16_t socket, const struct address *remote);
struct pair *pair_add(struct punch *p, uint16_t socket, const struct address *remote,
		      enum punch_path_kind kind);
enum punch_path_kind pair_kind(const struct punch *p, const struct address *remote);
/* Whether anything may be sent there. */
bool pair_allowed(const struct punch *p, const struct address *a);
/* A CHECK of theirs came: one of ours goes, unless one just went. */
void pair_trigger(struct punch *p, uint64_t now, struct pair *pair);
/* Pairs of our main sockets with their candidates, held or checked as it may be. */
void pairs_make(struct punch *p, uint64_t now);
/* The other end has opened: what was held is checked. */
void pairs_release(struct punch *p, uint64_t now);
void pairs_timer(struct punch *p, uint64_t now);
uint64_t pairs_deadline(const struct punch *p);

/* check.c */
void pair_check(struct punch *p, uint64_t now, struct pair *pair, bool padded);
/* A CHECK without a pair: to a port of a campaign. */
void check_send(struct punch *p, uint64_t now, uint16_t socket, const struct address *to);
void check_receive(struct punch *p, uint64_t now, uint16_t socket, const struct address *from,
		   bool relayed, const void *packet, size_t len);
void opener_send(struct punch *p, uint16_t socket, const struct address *to);
/* Room for so many CHECKs on their way; false: no memory. */
bool sent_reserve(struct punch *p, uint32_t n);

/* campaign.c */
/* What is to be done, from what is known of both ends' NATs now. */
void campaign_plan(struct punch *p);
/* Their sequential NAT's last port was told anew. */
void campaign_aim(struct punch *p);
void campaign_begin(struct punch *p, uint64_t now);
void campaign_released(struct punch *p, uint64_t now);
/* One of the campaign's sockets is open, or is not. */
void campaign_socket(struct punch *p, uint64_t now, uint16_t socket);
void campaign_timer(struct punch *p, uint64_t now);
uint64_t campaign_deadline(const struct punch *p);
/* A direct path was proved: nothing more is sent, and soon it ends. */
void campaign_won(struct punch *p, uint64_t now);
/* End it; sockets are closed but the one that is kept. */
void campaign_end(struct punch *p, uint64_t now, uint16_t keep);
/* Whether the address is one that the campaign sends to. */
bool campaign_covers(const struct punch *p, const struct address *a);

/* choose.c */
void choose(struct punch *p, uint64_t now);
/* The chosen path is dead. */
void choose_none(struct punch *p, uint64_t now);
/* The relay leg's state has changed. */
void choose_relay(struct punch *p, uint64_t now);

/* keep.c */
void keep_heard(struct punch *p, struct pair *pair);
/* p->chosen is another one. */
void keep_chosen(struct punch *p, uint64_t now);
void keep_timer(struct punch *p, uint64_t now);
uint64_t keep_deadline(const struct punch *p);
/* A STUN answer told where we are seen. */
void keep_seen(struct punch *p, uint64_t now, unsigned int family, const struct address *was);
/* The spare socket is open; a server told where it is seen. */
void keep_spare_open(struct punch *p, uint64_t now);
void keep_spare_seen(struct punch *p, uint64_t now, const struct address *seen);
/* Their candidates are others now. */
void keep_moved(struct punch *p, uint64_t now);
