"""Microsoft Defender for Cloud: assessments, scores and plans, alerts, governance and regulatory compliance."""
