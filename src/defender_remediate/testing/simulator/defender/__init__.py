"""Microsoft Defender for Cloud: assessments, controls, scores and plans."""
