/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of identity.h. libsodium's secret key is the seed and the public key, one after the
 * other, as in the file.
 */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/cleanup.h"

#define FILE_NAME "identity"
#define FILE_NAME_NEW "identity.new"

struct identity {
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
};

_Static_assert(crypto_sign_PUBLICKEYBYTES == IDENTITY_PUBLIC_BYTES, "Ed25519");
_Static_assert(crypto_sign_BYTES == IDENTITY_SIGNATURE_BYTES, "Ed25519");

struct report {
	char *message;
	size_t size;
};

/* Say it of the file, and give r back. */
__attribute__((format(printf, 3, 4)))
static int say(const struct report *report, int r, const char *format, ...)
{
	char what[128];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof what, format, args);
	va_end(args);
	(void)snprintf(report->message, report->size, "the key in the file %s: %s", FILE_NAME,
		       what);
	return r;
}

static int say_errno(const struct report *report, const char *doing)
{
	int r = -errno;

	return say(report, r, "%s: %s", doing, strerror(-r));
}

/* ---- the file ---- */

static int file_check(const struct report *report, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return say_errno(report, "fstat");
	if (!S_ISREG(st.st_mode))
		return say(report, -EUCLEAN, "it is not a regular file");
	if (st.st_uid != geteuid())
		return say(report, -EPERM, "it belongs to uid %u, and this is uid %u",
			   (unsigned int)st.st_uid, (unsigned int)geteuid());
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return say(report, -EPERM, "it is open to others (mode %04o, where 0600 is "
			   "safe); the key may be known", (unsigned int)st.st_mode & 07777);
	if (st.st_size != crypto_sign_SECRETKEYBYTES)
		return say(report, -EUCLEAN, "it has %lld bytes, and a key %u",
			   (long long)st.st_size, (unsigned int)crypto_sign_SECRETKEYBYTES);
	return 0;
}

/* -ENOENT without a word. */
static int file_load(const struct report *report, int dir_fd, struct identity *identity)
{
	_cleanup_(in_closep) int fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_NOFOLLOW |
					     O_NONBLOCK | O_CLOEXEC);
	uint8_t again[crypto_sign_SECRETKEYBYTES];
	bool same;
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return say_errno(report, "open");
	r = file_check(report, fd);
	if (r < 0)
		return r;
	n = read(fd, identity->secret, sizeof identity->secret);
	if (n < 0)
		return say_errno(report, "read");
	if (n != (ssize_t)sizeof identity->secret)
		return say(report, -EUCLEAN, "it ends after %zd bytes", n);

	(void)crypto_sign_seed_keypair(identity->public, again, identity->secret);
	same = sodium_memcmp(again, identity->secret, sizeof again) == 0;
	sodium_memzero(again, sizeof again);
	return same ? 0 : say(report, -EUCLEAN, "it is damaged: its two halves do not match");
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Under its name when it is whole and on the disk. */
static int file_make(const struct report *report, int dir_fd, struct identity *identity)
{
	_cleanup_(in_closep) int fd = -1;
	const char *failed = NULL;
	int r = 0;

	(void)crypto_sign_keypair(identity->public, identity->secret);
	/* Half a key that nobody has used. */
	(void)unlinkat(dir_fd, FILE_NAME_NEW, 0);
	fd = openat(dir_fd, FILE_NAME_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return say_errno(report, "making it");
	if (fchmod(fd, 0600) < 0)
		failed = "its mode";
	else if (write_all(fd, identity->secret, sizeof identity->secret) < 0)
		failed = "writing it";
	else if (fsync(fd) < 0)
		failed = "syncing it";
	else if (renameat2(dir_fd, FILE_NAME_NEW, dir_fd, FILE_NAME, RENAME_NOREPLACE) < 0)
		failed = "naming it";
	if (failed) {
		r = say_errno(report, failed);
		(void)unlinkat(dir_fd, FILE_NAME_NEW, 0);
		return r;
	}
	/* Where that fails, the next attempt loads this one or makes another: nobody saw it. */
	return fsync(dir_fd) < 0 ? say_errno(report, "syncing its directory") : 0;
}

/* ---- the calls ---- */

int identity_open(int dir_fd, struct identity **ret, char *message, size_t size)
{
	struct report report = { message, size };
	struct identity *identity;
	int r;

	if (sodium_init() < 0)
		return say(&report, -EIO, "there are no random numbers");
	identity = calloc(1, sizeof *identity);
	if (!identity)
		return say(&report, -ENOMEM, "%s", strerror(ENOMEM));
	r = sodium_mlock(identity, sizeof *identity) < 0 ?
		say_errno(&report, "keeping it out of the swap space") : 0;
	if (r == 0)
		r = file_load(&report, dir_fd, identity);
	if (r == -ENOENT)
		r = file_make(&report, dir_fd, identity);
	if (r < 0) {
		identity_close(identity);
		return r;
	}
	*ret = identity;
	return 0;
}

void identity_close(struct identity *identity)
{
	if (!identity)
		return;
	(void)sodium_munlock(identity, sizeof *identity);	/* wipes it, too */
	free(identity);
}

void identity_public(const struct identity *identity,
		     uint8_t ret[static IDENTITY_PUBLIC_BYTES])
{
	memcpy(ret, identity->public, sizeof identity->public);
}

void identity_sign(const struct identity *identity, const void *bytes, size_t len,
		   uint8_t ret[static IDENTITY_SIGNATURE_BYTES])
{
	(void)crypto_sign_detached(ret, NULL, bytes, len, identity->secret);
}

void swiss_make(uint8_t ret[static SWISS_BYTES])
{
	randombytes_buf(ret, SWISS_BYTES);
}
