/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's key (broker/store/identity.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../broker/store/identity.h"
#include "harness.h"

#define FILE_BYTES 64

static char dir[DIR_BYTES], path[DIR_BYTES + 16];
static int dir_fd;

static void begin(void)
{
	dir_make(dir);
	snprintf(path, sizeof path, "%s/identity", dir);
	dir_fd = MUST(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void end(void)
{
	close(dir_fd);
	dir_remove(dir);
}

static struct identity *opened(void)
{
	struct identity *identity = NULL;
	char message[256] = "";

	cr_assert_eq(identity_open(dir_fd, &identity, message, sizeof message), 0, "%s", message);
	return identity;
}

static void public_of(uint8_t ret[static IDENTITY_PUBLIC_BYTES])
{
	struct identity *identity = opened();

	identity_public(identity, ret);
	identity_close(identity);
}

/* It is not opened, and the message says why. */
static void refused(int error, const char *why)
{
	struct identity *identity = NULL;
	char message[256] = "";
	int r = identity_open(dir_fd, &identity, message, sizeof message);

	cr_assert_eq(r, error, "%d: %s", r, message);
	cr_assert_null(identity);
	cr_assert(strstr(message, "identity") && strstr(message, why), "%s", message);
}

static void put_file(const uint8_t *bytes, size_t len)
{
	int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void get_file(uint8_t bytes[static FILE_BYTES])
{
	int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));

	cr_assert_eq(read(fd, bytes, FILE_BYTES), FILE_BYTES);
	close(fd);
}

TEST(identity, is_made_once)
{
	uint8_t first[IDENTITY_PUBLIC_BYTES], later[IDENTITY_PUBLIC_BYTES];
	struct stat st;
	mode_t mask;

	begin();
	mask = umask(0277);
	public_of(first);
	umask(mask);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode, S_IFREG | 0600);
	cr_assert_eq(st.st_size, FILE_BYTES);
	cr_assert_eq(dir_entries(dir), 3, "nothing else is left");
	for (int round = 0; round < 3; round++) {
		public_of(later);
		cr_assert_eq(memcmp(first, later, sizeof first), 0);
	}
	end();
}

TEST(identity, is_another_for_each_broker)
{
	uint8_t first[IDENTITY_PUBLIC_BYTES], second[IDENTITY_PUBLIC_BYTES];

	begin();
	public_of(first);
	end();
	begin();
	public_of(second);
	end();
	cr_assert_neq(memcmp(first, second, sizeof first), 0);
}

TEST(identity, signs)
{
	uint8_t public[IDENTITY_PUBLIC_BYTES], signature[IDENTITY_SIGNATURE_BYTES];
	static const uint8_t text[] = "intro test: hello";
	struct identity *identity;

	begin();
	identity = opened();
	identity_public(identity, public);
	identity_sign(identity, text, sizeof text, signature);
	cr_assert_eq(crypto_sign_verify_detached(signature, text, sizeof text, public), 0);
	cr_assert_neq(crypto_sign_verify_detached(signature, text, sizeof text - 1, public), 0);
	public[3] ^= 1;
	cr_assert_neq(crypto_sign_verify_detached(signature, text, sizeof text, public), 0);
	identity_sign(identity, NULL, 0, signature);
	identity_close(identity);
	identity_close(NULL);
	end();
}

TEST(identity, of_another_size_is_refused)
{
	static const size_t sizes[] = { 0, 1, 32, 63, 65, 4096 };
	static const uint8_t bytes[4096];

	begin();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct stat st;

		put_file(bytes, sizes[i]);
		refused(-EUCLEAN, "bytes");
		cr_assert_eq(stat(path, &st), 0);
		cr_assert_eq((size_t)st.st_size, sizes[i], "it is not replaced");
	}
	end();
}

TEST(identity, with_a_changed_bit_is_refused)
{
	uint8_t bytes[FILE_BYTES], after[FILE_BYTES];

	begin();
	identity_close(opened());
	get_file(bytes);
	for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		put_file(bytes, sizeof bytes);
		refused(-EUCLEAN, "damaged");
		get_file(after);
		cr_assert_eq(sodium_memcmp(bytes, after, sizeof bytes), 0);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	put_file(bytes, sizeof bytes);
	identity_close(opened());
	end();
}

TEST(identity, open_to_others_is_refused)
{
	static const mode_t modes[] = { 0640, 0604, 0644, 0620, 0602, 0610, 0601, 0777 };

	begin();
	identity_close(opened());
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		MUST(chmod(path, modes[i]));
		refused(-EPERM, "open to others");
	}
	MUST(chmod(path, 0400));
	identity_close(opened());
	end();
}

TEST(identity, of_another_user_is_refused)
{
	NEED(geteuid() == 0, "only root can give files away");
	begin();
	identity_close(opened());
	MUST(chown(path, 1, 0));
	refused(-EPERM, "belongs to uid 1");
	end();
}

TEST(identity, that_is_no_file_is_refused)
{
	begin();
	MUST(mkdir(path, 0700));
	refused(-EUCLEAN, "regular");
	MUST(rmdir(path));
	MUST(mkfifo(path, 0600));
	refused(-EUCLEAN, "regular");
	MUST(unlink(path));
	MUST(symlink("elsewhere", path));
	refused(-ELOOP, "open");
	cr_assert_eq(faccessat(dir_fd, "elsewhere", F_OK, 0), -1);
	end();
}

TEST(identity, is_made_beside_what_an_earlier_attempt_left)
{
	char other[DIR_BYTES + 16];

	begin();
	snprintf(other, sizeof other, "%s/identity.new", dir);
	file_write(other, "half a k");
	identity_close(opened());
	cr_assert_eq(dir_entries(dir), 3);
	end();
}

TEST(identity, is_not_half_made)
{
	struct rlimit before, none = { 0 };

	begin();
	MUST(getrlimit(RLIMIT_FSIZE, &before));
	none.rlim_max = before.rlim_max;
	none.rlim_cur = 40;
	signal(SIGXFSZ, SIG_IGN);
	MUST(setrlimit(RLIMIT_FSIZE, &none));
	refused(-EFBIG, "writing it");
	cr_assert_eq(dir_entries(dir), 2);
	MUST(setrlimit(RLIMIT_FSIZE, &before));
	identity_close(opened());
	MUST(unlink(path));
	MUST(rmdir(dir));
	refused(-ENOENT, "making it");
	close(dir_fd);
}

/* Kilobytes of this process's memory that are locked. */
static long locked_kb(void)
{
	char *text = file_read("/proc/self/status"), *line;
	long kb;

	cr_assert_not_null(text);
	line = strstr(text, "VmLck:");
	cr_assert_not_null(line);
	kb = strtol(line + strlen("VmLck:"), NULL, 10);
	free(text);
	return kb;
}

TEST(identity, is_kept_out_of_the_swap_space)
{
	struct identity *identity;

#ifdef __SANITIZE_ADDRESS__
	NEED(false, "the sanitizer locks no memory");
#endif
	begin();
	identity = opened();
	cr_assert_gt(locked_kb(), 0);
	identity_close(identity);
	cr_assert_eq(locked_kb(), 0);
	end();
}

TEST(identity, makes_numbers_that_nobody_guesses)
{
	static uint8_t all[1000][SWISS_BYTES];

	for (size_t i = 0; i < 1000; i++) {
		swiss_make(all[i]);
		for (size_t j = 0; j < i; j++)
			cr_assert_neq(sodium_memcmp(all[i], all[j], SWISS_BYTES), 0);
	}
}
