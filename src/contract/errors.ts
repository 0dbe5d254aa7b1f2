/** The error body of every HTTP answer. */
import { z } from 'zod';
import { ERROR_CODES } from '#base/errors.ts';

export const ErrorBody = z.object({
  error: z.object({
    // An older client survives a newer server's codes.
    code: z.enum(ERROR_CODES).catch('INTERNAL'),
    message: z.string(),
    hint: z.string().optional(),
    requestId: z.string().optional(),
    /** When the same call can be answered, if the server knows. */
    retryAt: z.iso.datetime().optional(),
  }),
});
