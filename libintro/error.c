/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this library's errors mean, in words.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "intro.h"

struct sentence {
	int error;
	const char *text;
};

static const struct sentence sentences[] = {
	{ ENOENT, "no such name in this door" },
	{ ECONNREFUSED, "the name is granted, but nobody serves it now" },
	{ ETIMEDOUT, "it was not served in time" },
	{ ENOTCONN, "no broker found" },
	{ ECONNRESET, "the connection to the broker is gone for good" },
	{ EPROTOTYPE, "the service is not of this socket type" },
	{ EDQUOT, "a limit of this door or user is reached, or all uses are used up" },
	{ EACCES, "the grant does not permit this, or the broker's socket may not be opened" },
	{ EKEYEXPIRED, "the reference has expired" },
	{ EKEYREVOKED, "the reference was revoked" },
	{ EUSERS, "the reference has all the sessions at once that it may have" },
	{ ELOOP, "the reference is too far from its service to have children" },
	{ ENAMETOOLONG, "too long: a path, or a reference's labels together" },
	{ EBUSY, "somebody else serves or holds this name already" },
	{ EXDEV, "the server's directory is not on the doors' filesystem" },
	{ ECANCELED, "the request was given up" },
	{ ECHILD, "a connection to the broker cannot be used after fork()" },
	{ ESRCH, "the session is unknown here, or its client's process is gone" },
	{ ENOBUFS, "too much is waiting for the broker, or for the caller, to be taken" },
	{ EMFILE, "this process has no descriptors left" },
	{ EBADF, "not a descriptor, or not one that intro_share() made" },
	{ ENOTSOCK, "not a socket and not a door's directory" },
	{ EPROTO, "the broker's answer makes no sense: is it another version?" },
	{ EPROTONOSUPPORT, "the broker speaks another version of the protocol" },
	{ EOPNOTSUPP, "not possible the way this service is reached: uses of a placed one, sessions "
		      "or a leash of what is not a pair, a placed one without /proc" },
	{ EPERM, "the broker takes no descriptors from here" },
};

const char *intro_strerror(int error)
{
	const char *text;

	if (error >= 0)
		return "no error";
	if (error == INT_MIN)	/* has no opposite */
		error++;
	for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
		if (sentences[i].error == -error)
			return sentences[i].text;
	text = strerrordesc_np(-error);
	return text ? text : "an error that this system does not know";
}
