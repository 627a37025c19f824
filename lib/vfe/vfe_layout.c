/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_layout.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfe_wire.h"

#define SEG_ALIGN 64u
#define SEG_GAP   64u

int
vfe_shape_parse(const char *text, struct vfe_shape *shape)
{
	*shape = (struct vfe_shape){0};
	for (;;) {
		unsigned long len = UINT32_MAX;

		if (*text != '*') {
			char *end;

			if (!isdigit((unsigned char)*text))
				return -EINVAL;
			len = strtoul(text, &end, 10);
			if (len == 0 || len > (1u << 30))
				return -EINVAL;
			text = end;
		}
		if (*text == '*') {
			shape->rest = (uint32_t)len;
			return text[1] == '\0' ? 0 : -EINVAL;
		}
		if (shape->nb_fixed == VFE_SHAPE_MAX_FIXED)
			return -EINVAL;
		shape->fixed[shape->nb_fixed++] = (uint32_t)len;
		if (*text == '\0')
			return 0;
		if (*text++ != '+')
			return -EINVAL;
	}
}

static uint32_t
align_up(uint32_t value)
{
	return (value + SEG_ALIGN - 1) & ~(SEG_ALIGN - 1);
}

static int
add_seg(struct vfe_layout *layout, uint32_t len)
{
	const unsigned int i = layout->nb_segs;

	if (i == VFE_VRING_MAX_SEGS)
		return -E2BIG;
	layout->pos[i] = i == 0 ? 0 : align_up(layout->pos[i - 1] + layout->cap[i - 1]) + SEG_GAP;
	layout->cap[i] = len;
	layout->nb_segs++;
	layout->total_len += len;
	layout->slot_len = align_up(layout->pos[i] + len);
	return 0;
}

int
vfe_layout_make(struct vfe_layout *layout, const struct vfe_shape *shape, uint32_t max_len)
{
	unsigned int i;
	int rc = 0;

	*layout = (struct vfe_layout){0};
	for (i = 0; i < shape->nb_fixed && rc == 0; i++)
		rc = add_seg(layout, shape->fixed[i]);
	while (shape->rest != 0 && layout->total_len < max_len && rc == 0) {
		const uint32_t left = max_len - layout->total_len;

		rc = add_seg(layout, left < shape->rest ? left : shape->rest);
	}
	if (rc == 0 && layout->total_len < VFE_HDR_LEN)
		rc = -EINVAL;
	return rc;
}

void
vfe_layout_write(const struct vfe_layout *layout, uint8_t *slot, uint32_t off, const void *from,
	uint32_t len)
{
	struct iovec iov[VFE_VRING_MAX_SEGS];
	const unsigned int nb_iov = vfe_layout_iov(layout, slot, off, len, iov);
	const uint8_t *src = from;
	unsigned int i;

	for (i = 0; i < nb_iov; src += iov[i++].iov_len)
		memcpy(iov[i].iov_base, src, iov[i].iov_len);
}

void
vfe_layout_read(
	const struct vfe_layout *layout, const uint8_t *slot, uint32_t off, void *to, uint32_t len)
{
	struct iovec iov[VFE_VRING_MAX_SEGS];
	const unsigned int nb_iov = vfe_layout_iov(layout, slot, off, len, iov);
	uint8_t *dst = to;
	unsigned int i;

	for (i = 0; i < nb_iov; dst += iov[i++].iov_len)
		memcpy(dst, iov[i].iov_base, iov[i].iov_len);
}
