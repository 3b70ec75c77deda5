/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's Ed25519 key (RFC 8032), by which its references name it and its peers know it.
 * Owned by the store room; the secret part leaves neither it nor the file `identity`, which has
 * the 32 bytes of the seed and, so that a changed bit is noticed, the 32 of the public key.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IDENTITY_PUBLIC_BYTES 32u
#define IDENTITY_SIGNATURE_BYTES 64u
#define SWISS_BYTES 16u

struct identity;

/* Load the key from the directory, or make one where there is none; it is on the disk then. Its
 * memory is locked. One process at a time. 0 or a negative errno, after a sentence in message:
 * -EPERM: the file is another user's, or open to others; -EUCLEAN: it is no key's; -ENOSPC and
 * what else the calls give, among it -ENOMEM and -EPERM where memory may not be locked. What is
 * there is never replaced. */
int identity_open(int dir_fd, struct identity **ret, char *message, size_t size);

/* Wipe and free it. NULL is allowed. */
void identity_close(struct identity *identity);

void identity_public(const struct identity *identity,
		     uint8_t ret[static IDENTITY_PUBLIC_BYTES]);

/* Sign len bytes. What is signed must say what it is for, so that it is good for nothing else. */
void identity_sign(const struct identity *identity, const void *bytes, size_t len,
		   uint8_t ret[static IDENTITY_SIGNATURE_BYTES]);

/* The secret of a new reference: random bytes that nobody can guess. */
void swiss_make(uint8_t ret[static SWISS_BYTES]);
