import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Served by media below /app/, from the folder of its package.
export default defineConfig({
  base: "/app/",
  plugins: [react()],
  build: { outDir: "../services/media/app", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1000 },
});
