/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam between the parsers and the three kinds of program: how bytes are
 * read. TC and XDP programs read the linear part of a packet directly and the
 * rest by a helper; a socket filter may only use the helper. `hook` is a
 * constant in each entry point, so each program keeps its own branch only.
 */
#ifndef STREAMER_LOAD_H
#define STREAMER_LOAD_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "event.h"

/* No header that is read begins further in: 22 bytes of link layer, 40 of IPv6
 * and 8 extension headers of 2048 bytes. The verifier wants a limit under 64 KiB. */
#define OFFSET_MAX 0x4fff

struct frame {
	void *context; /* struct __sk_buff or struct xdp_md */
	enum hook hook;
	const void *data; /* the linear part: TC and XDP only */
	const void *data_end;
	__u32 captured; /* bytes that can be read */
	__u32 length;	/* bytes the packet has: a capture may have kept fewer */
};

/*
 * Copies `size` bytes at `offset`; 0, or negative when the frame ends before.
 * `size` is a constant. Reading in words is what casting to a header would do.
 */
static __always_inline int load_bytes(const struct frame *frame, __u64 offset, void *to,
				      const __u32 size)
{
	if (offset > OFFSET_MAX || offset + size > frame->captured)
		return -1;

	if (frame->hook == HOOK_SOCKET)
		return bpf_skb_load_bytes(frame->context, offset, to, size);

	const void *from = frame->data + offset;

	if (from + size <= frame->data_end) {
		if (size % 4 == 0)
			__builtin_memcpy(to, __builtin_assume_aligned(from, 4), size);
		else
			__builtin_memcpy(to, __builtin_assume_aligned(from, 2), size);
		return 0;
	}

	if (frame->hook == HOOK_TC)
		return bpf_skb_load_bytes(frame->context, offset, to, size);
	if (use_xdp_load_bytes)
		return bpf_xdp_load_bytes(frame->context, offset, to, size);
	return -1;
}

#endif
