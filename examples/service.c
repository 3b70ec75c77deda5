/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service NAME: greets whoever is introduced to it by uid and door, where the broker tells
 * the uid (-1: it does not). intro_wait() also brings the end: a refusal, or a broken name.
 */
#include <intro.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct intro_event ev = { .error = 0 };
	struct intro_ref *ref;
	struct intro *in = NULL;
	int r = intro_open(&in, NULL);

	if (r == 0)
		r = intro_serve(in, argc > 1 ? argv[1] : "", NULL, &ref);
	while (r >= 0 && ev.error == 0 && (r = intro_wait(in, 0, -1, &ev)) >= 0) {
		if (ev.what != INTRO_INCOMING)
			continue;
		dprintf(ev.fd, "hello, uid %lld of door %s\n", (long long)ev.uid, ev.door);
		close(ev.fd);
	}
	fprintf(stderr, "service: %s\n", intro_strerror(r < 0 ? r : ev.error));
	intro_close(in);
	return 1;
}
