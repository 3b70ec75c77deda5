/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches for the nodes of a lab: lab_script.h.
 */
#include "lab_script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int scripts_begin(struct scripts *s)
{
	memset(s, 0, sizeof *s);
	for (int stage = 0; stage < SCRIPT_STAGES; stage++) {
		for (int i = 0; i < LAB_NODES; i++) {
			s->file[stage][i] =
				open_memstream(&s->text[stage][i], &s->len[stage][i]);
			if (!s->file[stage][i])
				return -ENOMEM;
		}
	}
	return 0;
}

void script_line(struct scripts *s, enum lab_node node, enum script_stage stage,
		 const char *format, ...)
{
	FILE *out = s->file[stage][node];
	va_list args;

	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	putc('\n', out);
}

static bool is_router(enum lab_node node)
{
	return node >= LAB_ROUTER_A && node <= LAB_CARRIER_B;
}

/* IPv6 comes up only where it is wanted, and no packet is looked at twice for being bridged. */
static pid_t start_ip(struct lab *lab, enum lab_node node, const char *text)
{
	const struct lab_side *side =
		&lab->config.side[node == LAB_ROUTER_B || node == LAB_CARRIER_B];
	char timeout[64], stream[64];
	const char *routing[] = {
		"net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1",
		"net/ipv4/conf/all/send_redirects=0", "net/ipv4/conf/default/send_redirects=0",
		"net/bridge/bridge-nf-call-iptables=0", "net/bridge/bridge-nf-call-ip6tables=0",
		"net/bridge/bridge-nf-call-arptables=0", "net/ipv4/conf/all/rp_filter=0",
		"net/ipv4/conf/default/rp_filter=0", timeout, stream, NULL,
	};
	const char *hosting[] = {
		lab->config.ipv6 ? "net/ipv6/conf/all/disable_ipv6=0"
				 : "net/ipv6/conf/all/disable_ipv6=1",
		NULL,
	};
	int keep[LAB_NODES];
	struct space_program program = {
		.argv = (const char *const[]){ "ip", "-batch", "-", NULL },
		.in = -1, .out = -1, .err = SPACE_STDERR, .keep = keep,
		.sysctls = is_router(node) || node == LAB_CORE ? routing : hosting,
	};

	snprintf(timeout, sizeof timeout, "net/netfilter/nf_conntrack_udp_timeout=%u",
		 side->timeout_s ? side->timeout_s : 30);
	snprintf(stream, sizeof stream, "net/netfilter/nf_conntrack_udp_timeout_stream=%u",
		 side->stream_timeout_s ? side->stream_timeout_s : 120);
	for (int i = 0; i < LAB_NODES; i++)
		if (lab->space[i].net >= 0)
			keep[program.keep_n++] = lab->space[i].net;
	return space_feed(&lab->space[node], &program, text);
}

static pid_t start_nft(struct lab *lab, enum lab_node node)
{
	struct space_program program = {
		.argv = (const char *const[]){ "nft", "-f", "-", NULL },
		.in = -1, .out = -1, .err = SPACE_STDERR,
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	pid_t pid;

	if (!out)
		return -ENOMEM;
	lab_rules(lab, node, out);
	fclose(out);
	pid = text ? space_feed(&lab->space[node], &program, text) : -ENOMEM;
	free(text);
	return pid;
}

/* Wait for all of them; the first one that failed is told. */
static int finish(struct lab *lab, const char *what, const pid_t *pids)
{
	int error = 0;

	for (int i = 0; i < LAB_NODES; i++) {
		int status = pids[i] > 0 ? space_wait(pids[i], SPACE_HANG_MS) : pids[i];

		if (status == 0 || error)
			continue;
		error = status < 0 ? status : -EIO;
		snprintf(lab->why, sizeof lab->why, "%s failed on node %d: %d", what, i, status);
	}
	return error;
}

int lab_rules_load(struct lab *lab, enum lab_node node)
{
	pid_t pids[LAB_NODES] = { [0] = start_nft(lab, node) };

	return finish(lab, "nft", pids);
}

static int run_all(struct scripts *s, struct lab *lab)
{
	pid_t ips[LAB_NODES] = { 0 }, nfts[LAB_NODES] = { 0 };
	int error;

	for (unsigned int i = 0; i < LAB_NODES; i++)
		if (s->len[SCRIPT_LINKS][i])
			ips[i] = start_ip(lab, (enum lab_node)i, s->text[SCRIPT_LINKS][i]);
	error = finish(lab, "making links", ips);
	if (error)
		return error;
	for (unsigned int i = 0; i < LAB_NODES; i++) {
		if (lab->space[i].net < 0)
			continue;
		ips[i] = start_ip(lab, (enum lab_node)i, s->text[SCRIPT_SETUP][i]);
		nfts[i] = is_router((enum lab_node)i) ? start_nft(lab, (enum lab_node)i) : 0;
	}
	error = finish(lab, "ip", ips);
	return finish(lab, "nft", nfts) ?: error;
}

static int flush_all(struct scripts *s)
{
	int error = 0;

	for (int stage = 0; stage < SCRIPT_STAGES; stage++)
		for (int i = 0; i < LAB_NODES; i++)
			if (fflush(s->file[stage][i]) != 0)
				error = -ENOMEM;
	return error;
}

void scripts_free(struct scripts *s)
{
	for (int stage = 0; stage < SCRIPT_STAGES; stage++) {
		for (int i = 0; i < LAB_NODES; i++) {
			if (s->file[stage][i])
				fclose(s->file[stage][i]);
			free(s->text[stage][i]);
		}
	}
}

int scripts_run(struct scripts *s, struct lab *lab)
{
	int error = flush_all(s);

	if (!error)
		error = run_all(s, lab);
	scripts_free(s);
	return error;
}
