/* SPDX-License-Identifier: Apache-2.0 */
/*
 * introd-store: the store room, which alone has the broker's key and its sturdy references. The
 * parent starts it when the switch first needs it, with the descriptors of channel.h; it ends
 * when the switch does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../channel.h"
#include "../sandbox.h"
#include "serve.h"

#define DATABASE_FILE "references.db"
#define EXIT_USAGE 100
#define EXIT_TEMPORARY 111

/* The switch tells the operator, and whoever asks, why nothing can be saved or found. */
static int fail(int error, const char *text)
{
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer w;
	int len;

	wire_begin(&w, packet, sizeof packet, STORE_FAILED, 0, 0, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)error);
	wire_put_string(&w, TAG_TEXT, text);
	len = wire_finish(&w);
	if (len > 0)
		(void)channel_send(CHANNEL_FD, packet, (size_t)len, -1);
	return EXIT_TEMPORARY;
}

static int run(void)
{
	struct serve serve = { .sock = CHANNEL_FD };
	char message[WIRE_TEXT_MAX] = "the directory of the sturdy references cannot be entered";
	int r = fchdir(CHANNEL_STATE_FD) < 0 ? -errno : 0;

	if (r == 0)
		r = identity_open(CHANNEL_STATE_FD, &serve.identity, message, sizeof message);
	if (r == 0)
		r = database_open(DATABASE_FILE, &serve.db, message, sizeof message);
	if (r == 0)
		r = serve_run(&serve) < 0 ? EXIT_TEMPORARY : 0;
	else
		r = fail(r, message);
	database_close(serve.db);
	identity_close(serve.identity);
	return r;
}

static bool number(const char *s, unsigned int *ret)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno != 0 || end == s || *end || n >= UINT32_MAX)
		return false;
	*ret = (unsigned int)n;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "system", no_argument, NULL, 's' },
		{ "uid", required_argument, NULL, 'u' },
		{ "gid", required_argument, NULL, 'g' },
		{ NULL, 0, NULL, 0 },
	};
	struct sandbox_options sandbox = { false, 0, 0 };
	bool good = true;
	int key, r;

	while ((key = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (key == 's')
			sandbox.system = true;
		else
			good = good && (key == 'u' || key == 'g') &&
			       number(optarg, key == 'u' ? &sandbox.uid : &sandbox.gid);
	}
	if (!good || optind < argc || fcntl(CHANNEL_STATE_FD, F_GETFD) < 0) {
		fputs("introd-store: a room of introd, which starts it\n", stderr);
		return EXIT_USAGE;
	}
	prctl(PR_SET_NAME, "introd-store");
	close_range(CHANNEL_FD, CHANNEL_STATE_FD, CLOSE_RANGE_CLOEXEC);
	umask(077);
	r = sodium_init() < 0 ? -EIO : sandbox_enter(ROOM_STORE, &sandbox);
	if (r < 0)
		return fail(r, "the store room cannot give up its privileges");
	return run();
}
