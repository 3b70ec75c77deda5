/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the Port Control Protocol (RFC 6887): a client's MAP and ANNOUNCE requests, the
 * server's answers, and whether a server has forgotten what it promised. Pure functions, for
 * whoever asks a router for a port mapping. Numbers are in host order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

#define PCP_SERVER_PORT 5351u
#define PCP_CLIENT_PORT 5350u		/* where unsolicited ANNOUNCEs go, to 224.0.0.1 */
#define PCP_NONCE_BYTES 12u
#define PCP_ANNOUNCE_BYTES 24u
#define PCP_MAP_BYTES 60u
#define PCP_MESSAGE_MAX 1100u

enum pcp_opcode {
	PCP_ANNOUNCE = 0,
	PCP_MAP = 1,
	PCP_PEER = 2,
};

/* Section 7.4. */
enum pcp_result {
	PCP_SUCCESS = 0,
	PCP_UNSUPP_VERSION,
	PCP_NOT_AUTHORIZED,
	PCP_MALFORMED_REQUEST,
	PCP_UNSUPP_OPCODE,
	PCP_UNSUPP_OPTION,
	PCP_MALFORMED_OPTION,
	PCP_NETWORK_FAILURE,
	PCP_NO_RESOURCES,
	PCP_UNSUPP_PROTOCOL,
	PCP_USER_EX_QUOTA,
	PCP_CANNOT_PROVIDE_EXTERNAL,
	PCP_ADDRESS_MISMATCH,	/* there is a NAT between the client and the server */
	PCP_EXCESSIVE_REMOTE_PEERS,
};

/* A wish for a mapping of a UDP port. The same nonce renews it and takes it back. */
struct pcp_wish {
	uint8_t nonce[PCP_NONCE_BYTES];
	uint32_t lifetime_s;		/* 0: take it back */
	struct address internal;	/* ours, as the server must see it, with the port */
	struct address external;	/* what we had or would like; none: any */
};

/* Writes the request; its length in bytes. */
size_t pcp_put_map(const struct pcp_wish *wish, uint8_t out[static PCP_MAP_BYTES]);
/* "Are you still who you were?": answered with the epoch alone (section 14.1). */
size_t pcp_put_announce(const struct address *client, uint8_t out[static PCP_ANNOUNCE_BYTES]);

struct pcp_answer {
	enum pcp_opcode opcode;
	uint8_t result;			/* enum pcp_result, or one from the future */
	uint32_t lifetime_s;		/* SUCCESS: of the mapping; else how long not to ask again */
	uint32_t epoch_s;
	/* PCP_MAP: */
	uint8_t nonce[PCP_NONCE_BYTES];
	uint8_t protocol;		/* 17: UDP */
	uint16_t internal_port;
	struct address external;
};

/* 0; -EPROTO: not a well-formed answer to one of these requests; -EPROTONOSUPPORT: the server
 * speaks another version, as one that knows NAT-PMP only (RFC 6886, section 9). */
int pcp_get(const void *packet, size_t len, struct pcp_answer *ret);

/* Whether an answer is the one to this wish. */
bool pcp_answers(const struct pcp_answer *answer, const struct pcp_wish *wish);

/* A server's epoch as last seen. Zeroed at first. */
struct pcp_epoch {
	bool known;
	uint32_t server_s;
	uint64_t client_us;
};

/* Section 8.5: true while the server's clock and ours agree; false: it has restarted, and what
 * it promised is to be asked for anew. */
bool pcp_epoch_holds(struct pcp_epoch *epoch, uint32_t server_s, uint64_t now_us);
