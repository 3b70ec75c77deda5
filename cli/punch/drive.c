/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine on a carry (carry.h), and the application's datagrams.
 */
#include "drive.h"

#include <errno.h>
#include <stdlib.h>

#include "carry.h"

#define APPLICATION_FIRST 64u	/* first bytes below are STUN's and the engine's */

struct drive {
	struct carry *carry;
	struct punch *punch;
	bool stepping;
	drive_data_fn *data;
	void *arg;
};

int drive_new(struct drive **ret, bool v4, bool v6, uint16_t port)
{
	struct drive *d = calloc(1, sizeof *d);
	int r;

	if (!d)
		return -ENOMEM;
	r = carry_new(&d->carry);
	if (r == 0)
		r = carry_open_main(d->carry, v4, v6, port);
	if (r < 0) {
		drive_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void drive_free(struct drive *d)
{
	if (!d)
		return;
	if (d->punch)
		punch_free(d->punch);
	carry_free(d->carry);
	free(d);
}

uint16_t drive_port(const struct drive *d, uint16_t socket)
{
	return carry_port(d->carry, socket);
}

/* ---- the engine's calls ---- */

static void opened(void *it, uint64_t now_us, uint16_t socket, const struct address *local,
		   int error)
{
	struct drive *d = it;

	punch_opened(d->punch, now_us, socket, local, error);
}

static void datagram(void *it, uint64_t now_us, uint16_t socket, const struct address *from,
		     const void *packet, size_t len)
{
	struct drive *d = it;
	const uint8_t *payload;
	size_t payload_len;

	if (punch_datagram(d->punch, now_us, socket, from, packet, len, &payload, &payload_len) ==
	    PUNCH_DATA && d->data)
		d->data(d->arg, payload, payload_len);
}

static void timer(void *it, uint64_t now_us)
{
	struct drive *d = it;

	punch_timer(d->punch, now_us);
}

static uint64_t deadline(const void *it)
{
	const struct drive *d = it;

	return punch_deadline(d->punch);
}

static bool take(void *it, struct output *ret)
{
	struct drive *d = it;

	return punch_take(d->punch, ret);
}

int drive_begin(struct drive *d, const struct punch_config *config, drive_data_fn *data,
		void *arg)
{
	struct carry_machine machine = { d, opened, datagram, timer, deadline, take };
	int r = punch_new(&d->punch, config, carry_now_us());

	if (r < 0)
		return r;
	d->data = data;
	d->arg = arg;
	carry_begin(d->carry, &machine);
	return 0;
}

int drive_fd(const struct drive *d)
{
	return carry_fd(d->carry);
}

int drive_step(struct drive *d)
{
	int r;

	d->stepping = true;
	r = carry_step(d->carry);
	d->stepping = false;
	return r;
}

bool drive_take(struct drive *d, struct output *ret)
{
	return carry_take(d->carry, ret);
}

void drive_signal(struct drive *d, const void *signal, size_t len)
{
	punch_signal(d->punch, carry_now_us(), signal, len);
	carry_out(d->carry);
}

void drive_observed(struct drive *d, const struct address *peer)
{
	punch_observed(d->punch, carry_now_us(), peer);
	carry_out(d->carry);
}

void drive_network(struct drive *d, const struct punch_local *locals, size_t n)
{
	punch_network(d->punch, carry_now_us(), locals, n);
	carry_out(d->carry);
}

int drive_send(struct drive *d, const void *bytes, size_t len)
{
	const struct punch_path *path = drive_path(d);

	if (!path || path->kind == PUNCH_PATH_NONE)
		return -ENOTCONN;
	if (len == 0 || *(const uint8_t *)bytes < APPLICATION_FIRST)
		return -EPROTO;
	carry_send(d->carry, path->socket, &path->to, path->header, path->header_bytes, bytes, len);
	punch_sent(d->punch, carry_now_us());
	/* within a step the answers to one batch go out as one */
	if (!d->stepping)
		carry_out(d->carry);
	return 0;
}

const struct punch_path *drive_path(const struct drive *d)
{
	return d->punch ? punch_path(d->punch) : NULL;
}

const struct punch *drive_punch(const struct drive *d)
{
	return d->punch;
}
