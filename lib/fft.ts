/** Fourier transforms with real results and the order of frequencies, as torch.fft. Complex results don't exist here. */
export {
  fftfreq, fftshift, hfft, hfft2, hfftn, ifftshift, irfft, irfft2, irfftn, rfftfreq,
} from './ops/fourier.js'; // prettier-ignore
