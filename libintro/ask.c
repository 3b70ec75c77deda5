/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that make requests of references and names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "connection.h"
#include "wire/name.h"

static bool type_ok(int type)
{
	return type == SOCK_STREAM || type == SOCK_SEQPACKET || type == SOCK_DGRAM;
}

int intro_connect(struct intro_ref *ref, int type, int wait_ms)
{
	struct intro *in = ref->in;
	struct in_request *rq;

	if (in_foreign(in))
		return -ECHILD;
	if (!type_ok(type))
		return -EINVAL;
	if (ref->state == IN_BROKEN)
		return ref->error;
	if (ref->state == IN_ABSENT) {
		int r = in_reference_ask(in, ref);

		if (r < 0)
			return r;
	}
	rq = in_request_new(in, WIRE_CONNECT, ref);
	if (!rq)
		return -ENOMEM;
	rq->socktype = type;
	rq->waits = wait_ms != 0;
	rq->wait_until = in_deadline(wait_ms);
	return in_request_start(in, rq);
}

int intro_listeners(struct intro_ref *ref)
{
	struct in_request *rq;

	if (in_foreign(ref->in))
		return -ECHILD;
	if (ref->type != WIRE_SERVE)
		return -EINVAL;
	if (ref->state == IN_BROKEN)
		return ref->error;
	rq = in_request_new(ref->in, WIRE_LISTENERS, ref);
	return rq ? in_request_start(ref->in, rq) : -ENOMEM;
}

/* A request about a name. fd: -1, or what to deposit under it (borrowed). */
static int ask_name(struct intro *in, uint16_t type, const char *name, int fd)
{
	size_t len = strlen(name);
	struct in_request *rq;

	if (in_foreign(in))
		return -ECHILD;
	if (!wire_name_ok(name, len))
		return -EINVAL;
	rq = in_request_new(in, type, NULL);
	if (!rq)
		return -ENOMEM;
	memcpy(rq->name, name, len + 1);
	if (type == WIRE_HOLD) {
		/* Kept until the answer: a broker that is restarted is asked again. */
		rq->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (rq->fd < 0) {
			int error = -errno;

			in_request_free(in, rq);
			return error;
		}
	}
	return in_request_start(in, rq);
}

int intro_hold(struct intro *in, const char *name, int fd)
{
	return ask_name(in, WIRE_HOLD, name, fd);
}

int intro_take(struct intro *in, const char *name)
{
	return ask_name(in, WIRE_TAKE, name, -1);
}

int intro_attest(struct intro *in, uint64_t session)
{
	struct in_request *rq;

	if (in_foreign(in))
		return -ECHILD;
	rq = in_request_new(in, WIRE_ATTEST, NULL);
	if (!rq)
		return -ENOMEM;
	rq->session = session;
	return in_request_start(in, rq);
}

int intro_cancel(struct intro *in, int request)
{
	struct in_request *rq;

	if (in_foreign(in))
		return -ECHILD;
	rq = request > 0 ? in_request_find(in, (uint32_t)request) : NULL;
	if (!rq || rq->type == WIRE_ALLOW)
		return -ENOENT;
	rq->cancelled = true;
	if (rq->sent)
		in_request_withdraw(in, rq);
	if (!rq->sent)
		in_request_fail(in, rq, -ECANCELED);
	return 0;
}
